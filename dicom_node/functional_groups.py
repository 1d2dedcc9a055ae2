"""Finds a frame's own values in an enhanced multi-frame object (PS3.3 C.7.6.16)."""

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_node.values import value_of


def group_item(dataset: Dataset, keyword: str, index: int) -> Dataset | None:
    """The item of one functional group for the frame at `index` (from 0), None where it has none.

    The frame's own group wins over the one that all frames share; PS3.3 allows only one of them.
    """
    for groups, position in (
        ("PerFrameFunctionalGroupsSequence", index),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        frame = _item(dataset, groups, position)
        found = _item(frame, keyword, 0) if frame is not None else None
        if found is not None:
            return found
    return None


def _item(dataset: Dataset, keyword: str, position: int) -> Dataset | None:
    value = value_of(dataset, keyword)
    if isinstance(value, Sequence) and position < len(value):
        return value[position]
    return None
