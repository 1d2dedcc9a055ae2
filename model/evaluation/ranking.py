"""The order in which a gallery is shown to a query: by Euclidean distance, exact, float64."""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32] | NDArray[np.float64]


def squared_distances(queries: Vectors, gallery: Vectors) -> NDArray[np.float64]:
    """(N, M) squared Euclidean distances of (N, D) queries and (M, D) gallery vectors.

    Equal gallery vectors get equal numbers, those of the first of them: a matrix product may round
    the same column differently at another place.
    """
    q, g = queries.astype(np.float64), gallery.astype(np.float64) + 0.0  # no -0.0: bytes decide
    squares: NDArray[np.float64] = (q**2).sum(1)[:, None] + (g**2).sum(1) - 2 * (q @ g.T)
    seen: dict[bytes, int] = {}
    first = np.array([seen.setdefault(row.tobytes(), n) for n, row in enumerate(g)], np.int64)
    return squares if len(seen) == len(g) else squares[:, first]


def rank(
    queries: Vectors, gallery: Vectors, left_out: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """(N, M) gallery indices for each query, nearest first; ties keep the gallery's order.

    `left_out` (N, M) marks slices that are not in a query's gallery; they come last.
    """
    distances = squared_distances(queries, gallery)
    if left_out is not None:
        distances[left_out] = np.inf
    return np.argsort(distances, axis=1, kind="stable")
