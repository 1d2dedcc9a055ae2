"""NumPy comparing the query with every slice: what search costs without a database."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class BruteForce:
    """A matrix in memory; `patients` holds a number for each slice's patient."""

    k: int
    vectors: NDArray[np.float32]
    squared_lengths: NDArray[np.float32]
    patients: NDArray[np.int64]
    uids: list[str]
    rows: dict[str, int]

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        return int(self.vectors.shape[1])

    def __call__(self, sop_instance_uid: str) -> list[str]:
        """The k slices of other patients nearest by Euclidean distance, nearest first."""
        row = self.rows[sop_instance_uid]
        # |a - b|² without |b|², which is the same for all.
        squared = self.squared_lengths - 2 * (self.vectors @ self.vectors[row])
        squared[self.patients == self.patients[row]] = np.inf
        nearest = np.argpartition(squared, self.k)[: self.k]
        return [self.uids[n] for n in nearest[np.argsort(squared[nearest])]]


def exported(path: Path, k: int, basis: NDArray[np.float32]) -> tuple[BruteForce, BruteForce]:
    """Brute force on an export's 4,096-d embeddings, and on their coordinates in `basis`."""
    with np.load(path, allow_pickle=False) as archive:
        embeddings = archive["embedding"]
        _, patients = np.unique(archive["patient_key"], return_inverse=True)
        uids = archive["sop_instance_uid"].tolist()
    return (
        _brute_force(k, embeddings, patients, uids),
        _brute_force(k, embeddings @ basis, patients, uids),
    )


def _brute_force(
    k: int, vectors: NDArray[np.float32], patients: NDArray[np.int64], uids: list[str]
) -> BruteForce:
    squared = np.einsum("nd,nd->n", vectors, vectors)
    rows = {uid: row for row, uid in enumerate(uids)}
    return BruteForce(k, vectors, squared, patients, uids, rows)
