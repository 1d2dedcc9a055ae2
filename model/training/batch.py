"""What one training step sees, made from a data set. Draws come from the generator handed in."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from model.dataset import Dataset
from model.training.augment import augment
from model.training.config import AugmentConfig


@dataclass(frozen=True)
class Batch:
    """Augmented `images` (B, 1, S, S) and what is known of each slice.

    `labels` and `planes` are (B,), a plane of -1 is unknown; `lesions` (B, 4) are the boxes before
    augmentation, NaN for none, `lesions_known` (B,) bool is False where nobody said whether there
    is one, and `theta` (B, 2, 3) is the warp of the augmentation.
    """

    images: Tensor
    labels: Tensor
    planes: Tensor
    lesions: Tensor
    lesions_known: Tensor
    theta: Tensor

    def to(self, device: str) -> "Batch":
        """The same on a device, the images in the layout in which convolutions are fastest."""
        images = self.images.to(device, memory_format=torch.channels_last, non_blocking=True)
        facts = (self.labels, self.planes, self.lesions, self.lesions_known, self.theta)
        return Batch(images, *(fact.to(device) for fact in facts))


def make_batch(
    data: Dataset, chosen: NDArray[np.int64], config: AugmentConfig, generator: Generator
) -> Batch:
    """The chosen slices, each varied at random."""
    images, theta = augment(torch.from_numpy(data.images[chosen])[:, None], config, generator)
    return Batch(
        images,
        torch.from_numpy(data.labels[chosen]),
        torch.from_numpy(data.planes[chosen]),
        torch.from_numpy(data.lesions[chosen]),
        torch.from_numpy(data.lesions_known[chosen]),
        theta,
    )
