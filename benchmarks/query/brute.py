"""NumPy comparing the query with every slice: what search costs without a database.

The exported matrix of a million slices takes 16 GB. Where it would take more than its share of the
memory, part of it is read as often as makes up the whole: the time is that of all slices, since
memory bounds it, and there is no answer.
"""

from dataclasses import dataclass

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.query.answers import K
from benchmarks.query.recipe import Floats
from benchmarks.query.slices import MadeUpSlices

_SHARE = 4
_FLOAT_BYTES = 4


@dataclass(frozen=True)
class BruteForce:
    """A matrix in memory, of which `rounds` make up all slices; its rows are `vectors`."""

    vectors: Floats
    squared_lengths: Floats
    patients: NDArray[np.int64]
    rounds: int

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        return int(self.vectors.shape[1])

    @property
    def is_whole(self) -> bool:
        """Whether the matrix holds all slices, so that answers mean something."""
        return self.rounds == 1

    def __call__(self, query: int) -> list[int]:
        """The slices of other patients nearest by Euclidean distance, nearest first."""
        row = query % len(self.vectors)
        for _ in range(self.rounds):
            # |a - b|² without |b|², which is the same for all.
            squared = self.squared_lengths - 2 * (self.vectors @ self.vectors[row])
            squared[self.patients == self.patients[row]] = np.inf
            nearest = np.argpartition(squared, K)[:K]
            found: list[int] = nearest[np.argsort(squared[nearest])].tolist()
        return found


def on_coordinates(slices: MadeUpSlices) -> BruteForce:
    """On D numbers a slice."""
    return _brute_force(slices, slices.coordinates, 1)


def on_embeddings(slices: MadeUpSlices, basis: Floats) -> BruteForce:
    """On the 4,096 numbers that `precuneus gallery export` writes for each slice."""
    fitting = psutil.virtual_memory().available // _SHARE // (len(basis) * _FLOAT_BYTES)
    rounds = -(-len(slices) // fitting)
    rows = -(-len(slices) // rounds)
    return _brute_force(slices, slices.coordinates[:rows] @ basis.T, rounds)


def _brute_force(slices: MadeUpSlices, vectors: Floats, rounds: int) -> BruteForce:
    squared = np.einsum("nd,nd->n", vectors, vectors)
    return BruteForce(vectors, squared, slices.patients()[: len(vectors)], rounds)
