"""What it costs to store an encoder's weights in half precision, measured on pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.checkpoint import Checkpoint, load, round_weights
from model.embedder import Embedder
from model.errors import CheckpointError

_AT_ONCE = 256  # embeddings of 4,096 numbers held at a time


def half_precision_error(
    encoder: Path | Checkpoint, pictures: NDArray[np.float32], *, device: str = "cpu"
) -> float:
    """How far rounding moves an embedding: the largest distance over `pictures` (N, S, S), N > 0.

    It is measured in the 4,096 numbers, which have unit length: the two encoders' coordinates lie
    in different bases. No coordinate and no 4,096-d number differs by more, and no distance between
    two embeddings by more than twice as much. Raises CheckpointError if the file cannot be used or
    a weight is too large for float16, EmbeddingError as `Embedder.coordinates` does.
    """
    checkpoint = load(encoder) if isinstance(encoder, Path) else encoder
    rounded = {
        name: np.asarray(weight, np.float32)
        for name, weight in round_weights(checkpoint.weights, "float16").items()
    }
    if not all(np.isfinite(weight).all() for weight in rounded.values()):
        raise CheckpointError(f"{checkpoint.name} holds weights too large for float16")
    exact = Embedder(checkpoint, device)
    half = Embedder(replace(checkpoint, weights=rounded), device)
    largest = 0.0
    for start in range(0, len(pictures), _AT_ONCE):
        part = pictures[start : start + _AT_ONCE]
        moved = half.coordinates(part) @ half.basis.T - exact.coordinates(part) @ exact.basis.T
        largest = max(largest, float(np.linalg.norm(moved, axis=1).max()))
    return largest
