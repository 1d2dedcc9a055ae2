"""Turns coordinates, so that the leading ones are those along which slices differ. Numbers only.

For encoders that have more coordinates than an index takes whole: it holds the leading ones. Which
directions these are is told once, by a sample of slices, and kept in the checkpoint beside the
network; whoever loads it turns the basis, and distances stay as they are.
"""

import numpy as np
from numpy.typing import NDArray

TURN = "turn.directions"
"""The checkpoint's name for them: float32 (D, K), orthonormal columns, in coordinates of the QR."""

WIDE = 2000
"""Encoders of more coordinates than this are turned: pgvector's HNSW takes so many."""

LEADING = 256
"""How many leading coordinates the index then holds."""


def leading_directions(
    coordinates: NDArray[np.float32], most: int = LEADING
) -> NDArray[np.float32]:
    """At most `most` directions (D, K) in which coordinates (N, D) vary most, N at least 2.

    In the order and with the signs that `turn_of` wants; some hundreds of slices tell them.
    """
    sample = coordinates.astype(np.float64)
    _, _, rows = np.linalg.svd(sample - sample.mean(axis=0), full_matrices=False)
    directions = rows[: min(most, len(sample) - 1)].T
    # The same span, its upper square symmetric and never positive: far from what it replaces.
    left, _, right = np.linalg.svd(directions[: directions.shape[1]])
    return np.asarray(-directions @ (left @ right).T, np.float32)


def turn_of(directions: NDArray[np.float32]) -> NDArray[np.float64]:
    """A symmetric orthogonal matrix (D, D) whose leading columns are the directions (D, K).

    A block reflection (Schreiber and Parlett 1988): it takes no choice that a library could make
    otherwise, so all machines have the same. Of directions that rounding moved a little it is
    orthogonal still.
    """
    dimension, leading = directions.shape
    moved = np.eye(dimension, leading) - directions.astype(np.float64)
    reflected = np.linalg.solve(moved.T @ moved, moved.T)
    return np.asarray(np.eye(dimension) - 2 * moved @ reflected, np.float64)
