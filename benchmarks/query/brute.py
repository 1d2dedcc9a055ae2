"""NumPy comparing the query with every slice: what search costs without a database."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class BruteForce:
    """A matrix in memory; `patients` are integers, one for each patient."""

    vectors: NDArray[np.float32]
    squared_lengths: NDArray[np.float32]
    patients: NDArray[np.int64]
    uids: NDArray[np.str_]
    rows: dict[str, int]

    @classmethod
    def over(
        cls, vectors: NDArray[np.float32], patients: NDArray[np.str_], uids: NDArray[np.str_]
    ) -> "BruteForce":
        _, numbers = np.unique(patients, return_inverse=True)
        squared = np.einsum("nd,nd->n", vectors, vectors)
        rows = {str(uid): row for row, uid in enumerate(uids)}
        return cls(vectors, squared, numbers, uids, rows)

    def search(self, sop_instance_uid: str, k: int) -> list[str]:
        """The k slices of other patients nearest by Euclidean distance, nearest first."""
        row = self.rows[sop_instance_uid]
        # |a - b|² without |b|², which is the same for all.
        squared = self.squared_lengths - 2 * (self.vectors @ self.vectors[row])
        squared[self.patients == self.patients[row]] = np.inf
        nearest = np.argpartition(squared, k)[:k]
        return [str(uid) for uid in self.uids[nearest[np.argsort(squared[nearest])]]]


def exported(path: Path, coordinates: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> tuple[BruteForce, BruteForce]:
    """Brute force on an export's 4,096-d embeddings, and on their `coordinates`."""
    with np.load(path, allow_pickle=False) as archive:
        embeddings = archive["embedding"]
        patients, uids = archive["patient_key"], archive["sop_instance_uid"]
    return (
        BruteForce.over(embeddings, patients, uids),
        BruteForce.over(coordinates(embeddings), patients, uids),
    )
