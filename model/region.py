"""An encoder that embeds a region of a slice: it sees the whole slice and pools the region alone.

A crop blown up to a full picture is something it was never trained on; among whole slices it finds
its like far less often (docs/uploads.md). It neither prepares slices nor stores results.
"""

from math import ceil, floor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from model.checkpoint import Checkpoint
from model.errors import EmbeddingError
from model.fold import fold_batch_norm
from model.loading import basis_of, build_network
from model.placement import Box

_LEAST_CELLS = 2  # of a feature map, on a side: fewer are a matter of chance


class RegionEmbedder:
    """One encoder, ready to embed regions on the CPU.

    Raises CheckpointError if the weights do not fit the network.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.name = checkpoint.name
        self._size = checkpoint.info.preprocess.size
        network = build_network(checkpoint)
        _, self._r = basis_of(network, checkpoint)
        self._network = fold_batch_norm(network).place("cpu")

    @torch.inference_mode()
    def coordinates(self, picture: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
        """Coordinates (D,) of unit length of what lies in `box` of a prepared slice (S, S).

        `box` is (left, top, right, bottom) in pixels, edges at integers; what of it lies outside
        the picture is left out. The box of the whole picture gives the slice's own coordinates.

        Raises:
            EmbeddingError: another shape, a number that is not finite, or a box outside.
        """
        size = self._size
        if picture.shape != (size, size) or not np.isfinite(picture).all():
            raise EmbeddingError(f"a slice is ({size}, {size}) and finite, not {picture.shape}")
        left, top, right, bottom = box
        if not (left < size and top < size and right > 0 and bottom > 0):
            raise EmbeddingError("the region lies outside the slice")
        images = torch.from_numpy(np.ascontiguousarray(picture, np.float32))[None, None]
        features = self._features(images, box)
        if self._network.is_mirrored:
            mirrored = self._features(images.flip(-1), (size - right, top, size - left, bottom))
            features = (features + mirrored) / 2
        extended = functional.pad(features, (0, 1), value=1.0)
        found: NDArray[np.float32] = functional.normalize(extended @ self._r.T, dim=1)[0].numpy()
        return found

    def _features(self, images: Tensor, box: Box) -> Tensor:
        maps = self._network.maps(images.contiguous(memory_format=torch.channels_last))
        first, second, third = (_cut(features, box, self._size) for features in maps)
        return self._network.pool((first, second, third))


def _cut(features: Tensor, box: Box, size: int) -> Tensor:
    """The cells (B, C, h, w) of a feature map that a box touches; at least `_LEAST_CELLS` a way."""
    left, top, right, bottom = box
    height, width = features.shape[-2:]
    rows = _span(top * height / size, bottom * height / size, height)
    columns = _span(left * width / size, right * width / size, width)
    return features[..., rows, columns]


def _span(start: float, stop: float, cells: int) -> slice:
    first = min(max(0, floor(start)), cells - _LEAST_CELLS)
    last = min(max(ceil(stop), first + _LEAST_CELLS), cells)
    return slice(first, last)
