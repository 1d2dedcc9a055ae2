"""Distances between slices of unrelated patients, as quantiles to compare others with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Close together where neighbours lie: below nearly all distances between unrelated patients.
_SHARES = np.unique(
    np.concatenate([[0.0], np.geomspace(1e-5, 0.05, 24), np.linspace(0.05, 1.0, 39)])
)


@dataclass(frozen=True)
class Quantiles:
    """`distances` of `patients` unrelated patients, by the share of pairs that are no farther."""

    patients: int
    shares: tuple[float, ...]
    distances: tuple[float, ...]

    def percentile(self, distance: float) -> float:
        """How many of 100 pairs of unrelated patients are no farther apart than `distance`."""
        return 100.0 * float(np.interp(distance, self.distances, self.shares))


def quantiles_of(coordinates: NDArray[np.float32]) -> Quantiles:
    """The quantiles of all distances between slices (N, D), each of another patient; N > 1."""
    points = coordinates.astype(np.float64)
    squares = (points**2).sum(axis=1)
    gram = squares[:, None] + squares - 2.0 * points @ points.T
    pairs = np.sqrt(np.maximum(gram[np.triu_indices(len(points), 1)], 0.0))
    # Of n pairs no share below 1/n can be told.
    shares = _SHARES[(_SHARES == 0.0) | (_SHARES * len(pairs) >= 1.0)]
    distances = np.quantile(pairs, shares)
    return Quantiles(len(points), tuple(shares.tolist()), tuple(distances.tolist()))
