"""Prepared slices with what is known of them, as training and evaluation take them.

Reads no files.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from model.checkpoint_info import GroupKind
from model.errors import DatasetError
from model.preprocess import PreprocessConfig

PLANES = ("axial", "coronal", "sagittal")
UNKNOWN_PLANE = -1

_PER_SLICE = (
    "labels",
    "groups",
    "folds",
    "modalities",
    "planes",
    "group_kinds",
    "lesions_known",
)


def _numbers() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


def _flags() -> NDArray[np.bool_]:
    return np.zeros(0, np.bool_)


def _words() -> NDArray[np.str_]:
    return np.zeros(0, np.str_)


@dataclass(frozen=True)
class Dataset:
    """N prepared slices in memory.

    `images` is (N, S, S) float32 in 0..1 and `preprocess` what made them. Of (N,) each: `labels`
    int64 indexes `label_names`; `groups` int64 indexes `group_names` and tells which slices are
    correlated, `group_kinds` whether a group is a "patient" or a "series_guess"; `folds` int64
    separates patients; `modalities` in DICOM's words; `planes` int64 indexes `PLANES`, -1 is
    unknown; `sop_instance_uids`. `lesions` is (N, 4) float32: left, top, right and bottom as shares
    of the picture's side, NaN where no lesion is marked; `lesions_known` tells such a slice that
    shows none (True) from one of which nobody said (False). `named_by` tells what the names of
    groups are: patients' IDs, or their keys in a gallery.

    What comes after `preprocess` may be left out: folds are then 0, words empty, groups named by
    their number and patients, places unknown; if lesions are given, all are known. Raises
    DatasetError if the parts do not fit together.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    label_names: tuple[str, ...]
    preprocess: PreprocessConfig
    folds: NDArray[np.int64] = field(default_factory=_numbers)
    modalities: NDArray[np.str_] = field(default_factory=_words)
    lesions: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    planes: NDArray[np.int64] = field(default_factory=_numbers)
    group_names: tuple[str, ...] = ()
    group_kinds: NDArray[np.str_] = field(default_factory=_words)
    sop_instance_uids: tuple[str, ...] = ()
    lesions_known: NDArray[np.bool_] = field(default_factory=_flags)
    named_by: GroupKind = "patient_id"

    def __post_init__(self) -> None:
        count = len(self.images)
        told = len(self.lesions) > 0
        numbers = range(int(self.groups.max()) + 1 if self.groups.size else 0)
        for name, default in (
            ("folds", np.zeros(count, np.int64)),
            ("modalities", np.full(count, "")),
            ("lesions", np.full((count, 4), np.nan, np.float32)),
            ("planes", np.full(count, UNKNOWN_PLANE, np.int64)),
            ("group_names", tuple(map(str, numbers))),
            ("group_kinds", np.full(count, "patient")),
            ("sop_instance_uids", ("",) * count),
            ("lesions_known", np.full(count, told)),
        ):
            if len(getattr(self, name)) == 0:
                object.__setattr__(self, name, default)
        self._check()

    def _check(self) -> None:
        count, size = len(self.images), self.preprocess.size
        if self.images.shape != (count, size, size):
            raise DatasetError(f"images of shape {self.images.shape}, not (N, {size}, {size})")
        for name in _PER_SLICE:
            if getattr(self, name).shape != (count,):
                raise DatasetError(f"{count} images need {count} {name}")
        if self.lesions.shape != (count, 4) or len(self.sop_instance_uids) != count:
            raise DatasetError(f"{count} images need {count} lesions and SOP Instance UIDs")
        for numbers, names, what in (
            (self.labels, self.label_names, "label"),
            (self.groups, self.group_names, "group"),
        ):
            if count and not 0 <= numbers.min() <= numbers.max() < len(names):
                raise DatasetError(f"a {what} has no name")
        if count and not UNKNOWN_PLANE <= self.planes.min() <= self.planes.max() < len(PLANES):
            raise DatasetError("a plane has no name")

    def __len__(self) -> int:
        return len(self.images)

    def subset(
        self, chosen: NDArray[np.bool_] | NDArray[np.int64] | Sequence[int] | Sequence[bool]
    ) -> "Dataset":
        """Some of the slices, by a mask (N,) or by their numbers in the order wanted.

        Labels and groups keep their numbers and names.
        """
        mask = np.asarray(chosen)
        if mask.dtype == np.bool_ and mask.shape != (len(self),):
            raise DatasetError(f"a mask of shape {mask.shape} for {len(self)} slices")
        places = np.flatnonzero(mask) if mask.dtype == np.bool_ else mask.astype(np.int64)
        parts = {name: getattr(self, name)[places] for name in ("images", "lesions", *_PER_SLICE)}
        uids = tuple(self.sop_instance_uids[place] for place in places)
        return replace(self, **parts, sop_instance_uids=uids)
