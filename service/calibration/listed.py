"""Questions and votes among listed slices in memory: what the gallery does in SQL, for figures."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.calibration.ballots import Question, Vote
from service.evidence.votes import VOTERS

_AT_ONCE = 256


@dataclass(frozen=True)
class Slices:
    """Labelled slices: float32 coordinates (N, D), and by slice its label and patient."""

    coordinates: NDArray[np.float32]
    labels: Sequence[str]
    patients: Sequence[str]

    def chosen(self, which: NDArray[np.bool_]) -> "Slices":
        """Some of them."""
        rows = np.flatnonzero(which).tolist()
        return Slices(
            self.coordinates[rows],
            [self.labels[row] for row in rows],
            [self.patients[row] for row in rows],
        )


def patients_by_label(slices: Slices) -> dict[str, int]:
    """How many patients have each label."""
    owners: dict[str, set[str]] = defaultdict(set)
    for label, patient in zip(slices.labels, slices.patients, strict=True):
        owners[label].add(patient)
    return {label: len(found) for label, found in owners.items()}


def ask(queries: Slices, gallery: Slices, voters: int = VOTERS) -> list[Question]:
    """Every query and the votes of its nearest patients in the gallery, its own left out."""
    names, numbers = np.unique(gallery.patients, return_inverse=True)
    questions: list[Question] = []
    for start in range(0, len(queries.labels), _AT_ONCE):
        found = _distances(queries.coordinates[start : start + _AT_ONCE], gallery.coordinates)
        for row, distances in enumerate(found, start=start):
            own = queries.patients[row]
            order = np.argsort(distances, kind="stable")
            _, firsts = np.unique(numbers[order], return_index=True)
            nearest = [n for n in order[np.sort(firsts)] if names[numbers[n]] != own][:voters]
            votes = tuple(Vote(float(distances[n]), (gallery.labels[n],)) for n in nearest)
            questions.append(Question(own, (queries.labels[row],), votes))
    return questions


def _distances(ones: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    a, b = ones.astype(np.float64), others.astype(np.float64)
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    found: NDArray[np.float64] = np.sqrt(np.maximum(squares, 0.0))
    return found
