"""Whether a slice is unlike all that the gallery holds: by how far it lies off the gallery's own.

A trained encoder brings slices close together in a few directions, those of its labels, and
anything else it is shown lands near one of them, too. What gives it away is the rest: the part of
its coordinates that the main directions of the gallery's slices do not reach.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.calibration.temperature import halves
from service.evidence.weighing import Numbers

_EXPLAINED = 0.995  # of the variance; docs/evidence.md compares shares
_MOST_DIRECTIONS = 64
FEWEST_PATIENTS = 40
_SPLITS = 5

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Subspace:
    """Where the gallery's slices lie: mean (D,) and main directions (K, D), orthonormal."""

    mean: Vectors
    directions: Vectors

    def off(self, coordinates: Vectors) -> Numbers:
        """How far slices (N, D) lie off it, (N,), in units of distance."""
        away = coordinates.astype(np.float64) - self.mean
        inside = (away @ self.directions.T) @ self.directions
        distances: Numbers = np.linalg.norm(away - inside, axis=1)
        return distances


def fit_subspace(coordinates: Vectors) -> Subspace:
    """The directions that hold 99.5 % of the variance of slices (N, D), 64 of them at most."""
    mean = coordinates.mean(axis=0, dtype=np.float64)
    _, lengths, directions = np.linalg.svd(coordinates - mean, full_matrices=False)
    held = np.cumsum(lengths**2) / max(float((lengths**2).sum()), 1e-12)
    count = min(_MOST_DIRECTIONS, int(np.searchsorted(held, _EXPLAINED)) + 1)
    return Subspace(mean.astype(np.float32), directions[:count].astype(np.float32))


def conformal_threshold(scores: Numbers, false_alarms: float) -> float:
    """What no more than `false_alarms` of exchangeable new scores exceed (split conformal).

    It is the score of rank ceil((n + 1)(1 - false_alarms)), and infinite where n is too small.
    """
    rank = int(np.ceil((len(scores) + 1) * (1.0 - false_alarms)))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else float("inf")


def cross_threshold(
    coordinates: Vectors, patients: NDArray[np.int64], first: NDArray[np.bool_], alarms: float
) -> float | None:
    """The threshold for slices (N, D) of numbered patients, judged by one slice of each (`first`).

    Every slice is scored by the directions of the other half of the patients. None where there are
    too few patients to say anything, or too few for so rare an alarm.
    """
    if len(np.unique(patients)) < FEWEST_PATIENTS:
        return None
    found = []
    for seed in range(_SPLITS):
        in_first = halves(patients, np.random.default_rng(seed))
        scores = np.zeros(len(coordinates))
        for chosen in (in_first, ~in_first):
            scores[~chosen] = fit_subspace(coordinates[chosen]).off(coordinates[~chosen])
        found.append(conformal_threshold(scores[first], alarms))
    threshold = float(np.mean(found))
    return threshold if np.isfinite(threshold) else None
