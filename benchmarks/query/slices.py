"""Made-up embeddings that lie as real ones do: classes, patients in them, series as short paths.

Neighbouring slices of a series are close, other patients are far; that is what makes an index on
slices harder than one on random points.
"""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

SLICES_PER_SERIES = 30
SERIES_PER_PATIENT = 2
_CLASSES = 3
# Standard deviations of the whole step, whatever the number of dimensions.
_CLASS, _PATIENT, _SERIES, _STEP, _NOISE = 1.0, 0.6, 0.15, 0.08, 0.05
EMBEDDING_DIM = 4096


@dataclass(frozen=True)
class MadeUpSlices:
    """Slices in order of series; `coordinates` is float32 (N, D) of unit length."""

    coordinates: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.coordinates)

    def series(self, slice_: int) -> int:
        """The number of a slice's series."""
        return slice_ // SLICES_PER_SERIES

    def patient_key(self, slice_: int) -> UUID:
        """The key of a slice's patient."""
        return UUID(int=self.series(slice_) // SERIES_PER_PATIENT + 1)


def make_up(count: int, dimension: int, seed: int = 0) -> MadeUpSlices:
    """`count` slices; the first of a longer list are not those of a shorter one."""
    rng = np.random.default_rng(seed)
    series = -(-count // SLICES_PER_SERIES)
    patients = -(-series // SERIES_PER_PATIENT)

    def steps(*shape: int, size: float) -> NDArray[np.float64]:
        return rng.normal(0, size / np.sqrt(dimension), (*shape, dimension))

    classes = steps(_CLASSES, size=_CLASS)[rng.integers(0, _CLASSES, patients)]
    heads = np.repeat(classes + steps(patients, size=_PATIENT), SERIES_PER_PATIENT, axis=0)[:series]
    starts = heads + steps(series, size=_SERIES)
    paths = np.cumsum(steps(series, SLICES_PER_SERIES, size=_STEP), axis=1)
    slices = (starts[:, None] + paths).reshape(-1, dimension)[:count]
    slices += steps(count, size=_NOISE)
    slices /= np.linalg.norm(slices, axis=1, keepdims=True)
    return MadeUpSlices(slices.astype(np.float32))


def make_up_basis(dimension: int, seed: int = 0) -> NDArray[np.float32]:
    """The basis of a made-up encoder, float32 (4096, D), columns orthonormal."""
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.normal(size=(EMBEDDING_DIM, dimension)))
    return np.ascontiguousarray(basis, np.float32)
