"""Data sets fit together, and parts of them too."""

from typing import Any

import numpy as np
import pytest

from model.dataset import Dataset
from model.errors import DatasetError
from model.preprocess import PreprocessConfig

CONFIG = PreprocessConfig(size=8)


def made(**changes: Any) -> Dataset:
    """Four slices of two groups, of which everything is known."""
    parts: dict[str, Any] = {
        "images": np.arange(4, dtype=np.float32)[:, None, None] * np.ones((4, 8, 8), np.float32),
        "labels": np.array([0, 1, 0, 1]),
        "groups": np.array([0, 0, 1, 1]),
        "label_names": ("a", "b"),
        "preprocess": CONFIG,
        "folds": np.array([1, 1, 2, 2]),
        "modalities": np.array(["CT", "CT", "MR", "MR"]),
        "lesions": np.array([[0, 0, 0.5, 1]] * 3 + [[np.nan] * 4], np.float32),
        "planes": np.array([0, 1, 2, -1]),
        "group_names": ("P1", "P2"),
        "group_kinds": np.array(["patient", "patient", "series_guess", "series_guess"]),
        "sop_instance_uids": ("1.1", "1.2", "1.3", "1.4"),
        "lesions_known": np.array([True, True, True, False]),
        "named_by": "patient_key",
    }
    return Dataset(**{**parts, **changes})


@pytest.mark.parametrize(
    "chosen", [np.array([True, False, False, True]), np.array([0, 3]), [0, 3], (True, False) * 2]
)
def test_a_part_keeps_what_is_known_of_its_slices(chosen: Any) -> None:
    places = np.flatnonzero(chosen) if np.asarray(chosen).dtype == bool else list(chosen)
    whole = made()

    part = whole.subset(chosen)

    assert len(part) == 2
    per_slice = ("images", "labels", "groups", "folds", "modalities", "planes", "group_kinds")
    for name in (*per_slice, "lesions_known"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[places])
    np.testing.assert_array_equal(part.lesions, whole.lesions[places])
    assert part.sop_instance_uids == tuple(whole.sop_instance_uids[place] for place in places)
    assert (part.label_names, part.group_names) == (whole.label_names, whole.group_names)
    assert (part.preprocess, part.named_by) == (CONFIG, "patient_key")


def test_slices_come_in_the_order_that_is_asked_for() -> None:
    part = made().subset([3, 0, 3])

    assert part.sop_instance_uids == ("1.4", "1.1", "1.4")


def test_a_part_may_be_empty() -> None:
    part = made().subset(np.zeros(4, bool))

    assert len(part) == 0
    assert part.lesions.shape == (0, 4)
    assert len(part.subset([])) == 0


def test_a_mask_of_another_length_is_an_error() -> None:
    with pytest.raises(DatasetError, match="mask"):
        made().subset(np.array([True]))


def test_what_is_not_told_is_unknown() -> None:
    full = made()

    bare = Dataset(full.images, full.labels, full.groups, full.label_names, CONFIG)

    assert bare.folds.tolist() == [0] * 4
    assert bare.modalities.tolist() == [""] * 4
    assert np.isnan(bare.lesions).all()
    assert bare.planes.tolist() == [-1] * 4
    assert bare.group_names == ("0", "1")
    assert set(bare.group_kinds) == {"patient"}
    assert bare.sop_instance_uids == ("",) * 4
    assert not bare.lesions_known.any()
    assert bare.named_by == "patient_id"


def test_where_lesions_are_told_a_slice_without_one_shows_none() -> None:
    assert made(lesions_known=np.zeros(0, bool)).lesions_known.all()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"preprocess": PreprocessConfig(size=16)}, r"not \(N, 16, 16\)"),
        ({"labels": np.zeros(2, np.int64)}, "need 4 labels"),
        ({"groups": np.zeros((4, 1), np.int64)}, "need 4 groups"),
        ({"folds": np.zeros(3, np.int64)}, "need 4 folds"),
        ({"lesions": np.zeros((4, 2), np.float32)}, "need 4 lesions"),
        ({"lesions_known": np.ones(3, bool)}, "need 4 lesions_known"),
        ({"sop_instance_uids": ("1.1",)}, "need 4 lesions and SOP Instance UIDs"),
        ({"labels": np.array([0, 1, 2, 0])}, "a label has no name"),
        ({"labels": np.array([0, 1, -1, 0])}, "a label has no name"),
        ({"group_names": ("P1",)}, "a group has no name"),
        ({"planes": np.array([0, 1, 2, 3])}, "a plane has no name"),
        ({"planes": np.array([0, 1, 2, -2])}, "a plane has no name"),
    ],
)
def test_a_data_set_must_fit_together(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(DatasetError, match=reason):
        made(**changes)
