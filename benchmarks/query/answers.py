"""What the right neighbours are, and how many of them an answer has.

All engines answer with the numbers of slices, so that one truth serves all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.query.slices import MadeUpSlices

K = 10
_AT_ONCE = 32
_CLOSER = 4 * K
# Of what sums of float32 round to: ties are as good as the true neighbour.
_ROUNDING = 1e-6

Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Truth:
    """The exact neighbours of some queries; `limits` holds the squared distance of the last.

    `passing` says which slices may be found at all (None: all), and `other_patients` that those of
    the query's patient may not. `counts` is how many neighbours exist, at most K.
    """

    slices: MadeUpSlices
    limits: dict[int, float]
    counts: dict[int, int]
    passing: Mask | None
    other_patients: bool

    def recall(self, answers: dict[int, Sequence[int]]) -> float:
        """The share of the true neighbours that the answers to these queries hold."""
        right = sum(self._right(query, answer) for query, answer in answers.items())
        return right / max(1, sum(self.counts[query] for query in answers))

    def lacking(self, answers: dict[int, Sequence[int]]) -> int:
        """How many answers have fewer rows than exist."""
        return sum(len(set(answer)) < self.counts[q] for q, answer in answers.items())

    def wrong(self, answers: dict[int, Sequence[int]]) -> int:
        """How many rows should not be there: the query itself, its patient, what is filtered."""
        return sum(
            not self._may(query, found) for query, answer in answers.items() for found in answer
        )

    def _right(self, query: int, answer: Sequence[int]) -> int:
        found = np.array([n for n in set(answer) if self._may(query, n)], np.int64)
        vectors = self.slices.coordinates
        squared = ((vectors[found] - vectors[query]) ** 2).sum(axis=1)
        return min(self.counts[query], int((squared <= self.limits[query]).sum()))

    def _may(self, query: int, found: int) -> bool:
        same = self.slices.patient(query) == self.slices.patient(found)
        return (
            found != query
            and not (self.other_patients and same)
            and (self.passing is None or bool(self.passing[found]))
        )


def find_truth(
    slices: MadeUpSlices, queries: Numbers, passing: Mask | None, *, other_patients: bool
) -> Truth:
    """Compare each query with every slice that may be found."""
    candidates = np.arange(len(slices)) if passing is None else np.flatnonzero(passing)
    vectors = slices.coordinates if passing is None else slices.coordinates[candidates]
    patients = slices.patients()[candidates]
    limits, counts = {}, {}
    for start in range(0, len(queries), _AT_ONCE):
        block = queries[start : start + _AT_ONCE]
        # All are of unit length: |a - b|² = 2 - 2 a·b.
        squared = 2 - 2 * (slices.coordinates[block] @ vectors.T)
        for query, row in zip(block.tolist(), squared, strict=True):
            row[candidates == query] = np.inf
            if other_patients:
                row[patients == slices.patient(query)] = np.inf
            # Products of vectors this close round too much: the nearest are compared once more.
            few = np.argpartition(row, _CLOSER)[:_CLOSER] if len(row) > _CLOSER else slice(None)
            nearest = candidates[few][np.isfinite(row[few])]
            apart = slices.coordinates[nearest] - slices.coordinates[query]
            exact = np.sort((apart**2).sum(axis=1))[:K]
            counts[query] = len(exact)
            limits[query] = float(exact[-1]) + _ROUNDING if len(exact) else 0.0
    return Truth(slices, limits, counts, passing, other_patients)
