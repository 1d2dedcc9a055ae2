"""The hyperplanes whose sides are a code's bits: the encoder's own, or fitted to what is stored.

Plain numpy; nothing here knows the database.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.checkpoint import Checkpoint
from model.hashing import HASH_BIAS, HASH_WEIGHT

BITS = (64, 128, 256)
_ROUNDS = 30


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
    return Planes(weight, checkpoint.weights[HASH_BIAS], "the encoder's hash head")


def fit_planes(coordinates: NDArray[np.float32], bits: int, seed: int = 1) -> Planes:
    """Planes through the middle of `coordinates` (N, D), turned so that signs say most of them.

    Iterative quantisation (Gong and Lazebnik 2011, doi 10.1109/CVPR.2011.5995432) on the `bits`
    directions of most variance. Where there are more bits than directions, the rest are directions
    at right angles to each other, turned at random.
    """
    random = np.random.default_rng(seed)
    middle = coordinates.mean(axis=0, dtype=np.float64)
    centred = coordinates - middle
    # Rows of vt: directions in the order of their variance.
    _, _, vt = np.linalg.svd(centred.T @ centred)
    first = vt[: min(bits, coordinates.shape[1])].T
    parts = [(first @ _rotation(centred @ first, random)).T]
    missing = bits - first.shape[1]
    while missing > 0:
        parts.append(_turned(coordinates.shape[1], random)[:missing])
        missing -= len(parts[-1])
    weight = np.concatenate(parts)
    bias = -weight @ middle
    return Planes(weight.astype(np.float32), bias.astype(np.float32), "fitted to the gallery")


def _rotation(values: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """The rotation of `values` (N, B) after which they lie nearest to corners of a cube."""
    turn = _turned(values.shape[1], random)
    for _ in range(_ROUNDS):
        corners = np.where(values @ turn > 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(corners.T @ values)
        turn = (left @ right).T
    return turn


def _turned(size: int, random: np.random.Generator) -> NDArray[np.float64]:
    orthogonal, _ = np.linalg.qr(random.normal(size=(size, size)))
    return orthogonal


def codes(coordinates: NDArray[np.float32], planes: Planes) -> NDArray[np.uint8]:
    """Codes (N, bits / 8), eight bits a byte, of coordinates (N, D)."""
    return np.packbits(coordinates @ planes.weight.T + planes.bias > 0, axis=1)
