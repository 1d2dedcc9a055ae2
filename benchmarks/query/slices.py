"""Made-up slices that lie as real ones do: diseases, patients in them, series as winding paths.

Drawn from the spread of real embeddings (`benchmarks.query.recipe`). Neighbouring slices of a
series are close and other patients are far; that is what makes an index on slices harder than one
on random points, and what makes a patient's own slices crowd out all others.
"""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from benchmarks.query.recipe import Disease, Floats, Recipe

SLICES_PER_SERIES = 30
SERIES_PER_PATIENT = 2
SLICES_PER_PATIENT = SLICES_PER_SERIES * SERIES_PER_PATIENT
# One patient in so many was examined on that maker's scanner.
COMMON, SCARCE, RARE = "Maker A", "Maker B", "Maker C"
_SCARCE_EVERY, _RARE_EVERY = 20, 200


@dataclass(frozen=True)
class MadeUpSlices:
    """Slices in order of patient and series.

    `coordinates` is float32 (N, D) of unit length, `diseases` the number of each patient's disease
    among those of the recipe.
    """

    recipe: Recipe
    coordinates: Floats
    diseases: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.coordinates)

    def series(self, slice_: int) -> int:
        """The number of a slice's series, from 0."""
        return slice_ // SLICES_PER_SERIES

    def patient(self, slice_: int) -> int:
        """The number of a slice's patient, from 0."""
        return slice_ // SLICES_PER_PATIENT

    def patients(self) -> NDArray[np.int64]:
        """The number of each slice's patient."""
        return np.arange(len(self)) // SLICES_PER_PATIENT

    def patient_key(self, slice_: int) -> UUID:
        """The key of a slice's patient."""
        return UUID(int=self.patient(slice_) + 1)

    def disease(self, slice_: int) -> Disease:
        """What a slice shows."""
        return self.recipe.diseases[self.diseases[self.patient(slice_)]]

    def of_modality(self, modality: str) -> NDArray[np.bool_]:
        """Which slices are of a modality."""
        of = np.array([disease.modality == modality for disease in self.recipe.diseases])
        return of[self.diseases[self.patients()]]

    def of_maker(self, maker: str) -> NDArray[np.bool_]:
        """Which slices are of a manufacturer, whatever they show."""
        every = {SCARCE: _SCARCE_EVERY, RARE: _RARE_EVERY}[maker]
        return self.patients() % every == _FIRST[maker]


_FIRST = {SCARCE: 1, RARE: 0}


def maker_of(patient: int) -> str:
    """The manufacturer of a patient's scanner."""
    if patient % _RARE_EVERY == _FIRST[RARE]:
        return RARE
    return SCARCE if patient % _SCARCE_EVERY == _FIRST[SCARCE] else COMMON


def make_up(count: int, recipe: Recipe, seed: int = 0) -> MadeUpSlices:
    """`count` slices, as many of each modality; a longer list begins as a shorter one does."""
    patients = -(-count // SLICES_PER_PATIENT)
    coordinates = np.empty((count, recipe.dimension), np.float32)
    diseases = np.empty(patients, np.int64)
    shares = _shares(recipe)
    for patient in range(patients):
        rng = np.random.default_rng((seed, patient))
        diseases[patient] = rng.choice(len(shares), p=shares)
        start = patient * SLICES_PER_PATIENT
        part = coordinates[start : start + SLICES_PER_PATIENT]
        part[:] = _slices_of_patient(recipe.diseases[diseases[patient]], rng)[: len(part)]
    return MadeUpSlices(recipe, coordinates, diseases)


def _shares(recipe: Recipe) -> NDArray[np.float64]:
    """How often each disease occurs: every modality as often, every disease of one as often."""
    modalities = [disease.modality for disease in recipe.diseases]
    of_each = {modality: modalities.count(modality) for modality in modalities}
    return np.array([1 / len(of_each) / of_each[modality] for modality in modalities])


def _slices_of_patient(disease: Disease, rng: np.random.Generator) -> Floats:
    """A patient's slices, (SLICES_PER_PATIENT, D), of unit length."""
    middle = disease.mean + disease.patients.draw(rng, 1)
    paths = [_path(disease, rng) for _ in range(SERIES_PER_PATIENT)]
    slices = middle + np.concatenate(paths)
    return np.asarray(slices / np.linalg.norm(slices, axis=1, keepdims=True), np.float32)


def _path(disease: Disease, rng: np.random.Generator) -> Floats:
    """A walk around the patient's mean that keeps `lasting` of itself from slice to slice."""
    steps = disease.slices.draw(rng, SLICES_PER_SERIES)
    new = np.float32(np.sqrt(1 - disease.lasting**2))
    for n in range(1, SLICES_PER_SERIES):
        steps[n] = disease.lasting * steps[n - 1] + new * steps[n]
    return steps
