"""Prepared slices with their labels, as training and evaluation take them. Reads no files."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.errors import DatasetError
from model.preprocess import PreprocessConfig


@dataclass(frozen=True)
class Dataset:
    """N prepared slices in memory.

    `images` is (N, S, S) float32 in 0..1, `labels` (N,) int64 indexes `label_names`, `groups` (N,)
    int64 tells which slices are correlated (one patient or one series), and `preprocess` is what
    made the images. Raises DatasetError if these do not fit together.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    label_names: tuple[str, ...]
    preprocess: PreprocessConfig

    def __post_init__(self) -> None:
        count, size = len(self.images), self.preprocess.size
        if self.images.shape != (count, size, size):
            raise DatasetError(f"images of shape {self.images.shape}, not (N, {size}, {size})")
        if self.labels.shape != (count,) or self.groups.shape != (count,):
            raise DatasetError(f"{count} images need {count} labels and {count} groups")
        if count and not 0 <= self.labels.min() <= self.labels.max() < len(self.label_names):
            raise DatasetError("a label has no name")

    def __len__(self) -> int:
        return len(self.images)
