"""The hyperplanes whose sides are a code's bits: the encoder's own, or fitted to what is stored.

Plain numpy; nothing here knows the database.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.checkpoint import Checkpoint
from model.hashing import HASH_BIAS, HASH_WEIGHT

BITS = (64, 128, 256)
FITTED, LEARNT = "fitted to the gallery", "learnt by the encoder's hash head"


@dataclass(frozen=True)
class Planes:
    """Bit n of a code is whether weight[n] @ coordinates + bias[n] > 0.

    `weight` is float32 (bits, D), `bias` (bits,); `origin` says where they come from.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    origin: str

    @property
    def bits(self) -> int:
        """The length of a code."""
        return len(self.weight)


def planes_of(checkpoint: Checkpoint, bits: int) -> Planes | None:
    """Those that the encoder learnt in its hash head, or None if it has none of that length."""
    weight = checkpoint.weights.get(HASH_WEIGHT)
    if weight is None or len(weight) != bits:
        return None
    return Planes(weight, checkpoint.weights[HASH_BIAS], LEARNT)


def fit_planes(coordinates: NDArray[np.float32], bits: int, seed: int = 1) -> Planes:
    """Planes in random directions, each through the middle of `coordinates` (N, D).

    Random hyperplanes keep angles (Charikar 2002, doi 10.1145/509907.509965); directions at right
    angles to each other repeat less, and at the median half of the slices lie on either side. On
    real embeddings that found far more neighbours than learnt codes did (docs/hash.md).
    """
    random = np.random.default_rng(seed)
    dimension = coordinates.shape[1]
    turns = [
        np.linalg.qr(random.normal(size=(dimension, dimension)))[0]
        for _ in range(-(-bits // dimension))
    ]
    weight = np.concatenate(turns)[:bits].astype(np.float32)
    bias = -np.median(coordinates @ weight.T, axis=0)
    return Planes(weight, bias.astype(np.float32), FITTED)


def codes(coordinates: NDArray[np.float32], planes: Planes) -> NDArray[np.uint8]:
    """Codes (N, bits / 8), eight bits a byte, of coordinates (N, D)."""
    return np.packbits(coordinates @ planes.weight.T + planes.bias > 0, axis=1)
