"""The kept statistic of real embeddings from which slices are made up; nobody can be known from it.

For each disease: how its patients' mean embeddings are spread, and how slices are spread around
their patient's mean, each as a mean and a covariance of few directions over at least fifty
patients. No embedding of a slice or a patient is in it. It is written by `benchmarks.query.fit`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import BenchmarkError

KEPT = Path(__file__).parent / "recipe.npz"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Spreading:
    """A covariance: `factors` (D, R) times its transpose, and `rest` ** 2 in every direction."""

    factors: Floats
    rest: float

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Normal vectors of this covariance, float32 (count, D)."""
        dimension, rank = self.factors.shape
        inner = rng.standard_normal((count, rank), np.float32)
        outer = rng.standard_normal((count, dimension), np.float32)
        return inner @ self.factors.T + np.float32(self.rest) * outer


@dataclass(frozen=True)
class Disease:
    """Where slices of one label lie: patients around `mean` (D,), slices around their patient.

    `lasting` is how alike neighbouring slices of a series are: the correlation of their places
    around the patient's mean.
    """

    label: str
    modality: str
    mean: Floats
    patients: Spreading
    slices: Spreading
    lasting: float


@dataclass(frozen=True)
class Recipe:
    """The statistic, in the coordinates of the encoder called `encoder`."""

    encoder: str
    diseases: tuple[Disease, ...]

    @property
    def dimension(self) -> int:
        """D."""
        return len(self.diseases[0].mean)


def save(recipe: Recipe, path: Path) -> None:
    """Write the recipe; half precision suffices for a spread."""
    half = np.float16
    diseases = recipe.diseases
    np.savez_compressed(
        path,
        encoder=np.array(recipe.encoder),
        label=np.array([one.label for one in diseases]),
        modality=np.array([one.modality for one in diseases]),
        mean=np.stack([one.mean for one in diseases]).astype(half),
        patients=np.stack([one.patients.factors for one in diseases]).astype(half),
        slices=np.stack([one.slices.factors for one in diseases]).astype(half),
        rest=np.array([(one.patients.rest, one.slices.rest) for one in diseases], half),
        lasting=np.array([one.lasting for one in diseases], half),
    )


def load(path: Path = KEPT) -> Recipe:
    """Read a recipe.

    Raises:
        BenchmarkError: there is none.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            kept = {name: archive[name] for name in archive.files}
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be read: {error.strerror}") from None
    numbers = {name: kept[name].astype(np.float32) for name in ("mean", "patients", "slices")}
    diseases = (
        Disease(
            label=str(kept["label"][n]),
            modality=str(kept["modality"][n]),
            mean=numbers["mean"][n],
            patients=Spreading(numbers["patients"][n], float(kept["rest"][n, 0])),
            slices=Spreading(numbers["slices"][n], float(kept["rest"][n, 1])),
            lasting=float(kept["lasting"][n]),
        )
        for n in range(len(kept["label"]))
    )
    return Recipe(str(kept["encoder"]), tuple(diseases))
