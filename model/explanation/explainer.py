"""An encoder that tells why it finds two slices alike. It neither prepares nor draws slices."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model.checkpoint import Checkpoint
from model.errors import EmbeddingError
from model.explanation.heat import pair_heat
from model.fold import fold_batch_norm
from model.loading import basis_of, build_network
from model.preprocess import PreprocessConfig

Picture = NDArray[np.float32]


@dataclass(frozen=True)
class SliceExplanation:
    """One slice's side of a similarity.

    `heat` (S, S) is 0..1 over the prepared picture. `scales` are what the pooled features of the
    original, 1/2 and 1/4 scale add to the similarity and `constant` what all slices have; together
    they are the similarity.
    """

    heat: Picture
    scales: tuple[float, float, float]
    constant: float


@dataclass(frozen=True)
class PairExplanation:
    """Why two slices are alike: their cosine similarity (-1 to 1) and each one's side of it."""

    similarity: float
    first: SliceExplanation
    second: SliceExplanation


class Explainer:
    """One encoder, ready to explain on the CPU; calls may come from several threads.

    Raises CheckpointError if the weights do not fit the network.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.name = checkpoint.name
        self.preprocess_config: PreprocessConfig = checkpoint.info.preprocess
        network = build_network(checkpoint)
        _, self._r = basis_of(network, checkpoint)
        self._network = fold_batch_norm(network).place("cpu")

    def explain(
        self, first: Picture, second: Picture, background: NDArray[np.float32] | None = None
    ) -> PairExplanation:
        """Explain the similarity of two prepared slices (S, S).

        `background` (D,) are mean coordinates of slices to compare with: heat then says what makes
        the two more alike than usual slices are, rather than what all slices have in common.
        Raises EmbeddingError for another shape or a number that is not finite.
        """
        size = self.preprocess_config.size
        for picture in (first, second):
            if picture.shape != (size, size):
                raise EmbeddingError(f"a slice has the shape ({size}, {size}), not {picture.shape}")
            if not np.isfinite(picture).all():
                raise EmbeddingError("a prepared slice holds NaN or infinity")
        usual = None if background is None else torch.from_numpy(background.astype(np.float32))
        if usual is not None and usual.shape != self._r.shape[:1]:
            raise EmbeddingError(f"a background has {len(self._r)} numbers, not {usual.shape}")
        pictures = torch.from_numpy(np.stack([first, second]).astype(np.float32))[:, None]
        found = pair_heat(
            self._network, self._r, pictures.contiguous(memory_format=torch.channels_last), usual
        )
        sides = [
            SliceExplanation(heat.numpy(), (scales[0], scales[1], scales[2]), constant)
            for heat, scales, constant in zip(
                found.heat, found.contributions.tolist(), found.constant.tolist(), strict=True
            )
        ]
        return PairExplanation(found.similarity.item(), sides[0], sides[1])
