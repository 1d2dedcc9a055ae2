"""Makes the recipe anew from labelled slices: `python -m benchmarks.query.fit SLICES.csv`.

Needed when another encoder ships. The slices are embedded by it, and only the spread of their
embeddings is kept (`benchmarks.query.recipe`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.errors import BenchmarkError
from benchmarks.query.recipe import KEPT, Disease, Floats, Recipe, Spreading, save
from model.checkpoint import default_checkpoint, load
from model.embedder import Embedder
from model.manifest import ManifestRow, read_manifest
from service.evaluating import embed, prepare_slices
from service.settings import WorkerSettings

_RANK = 32
# Of fewer patients a mean and a spread would tell something about each.
_LEAST_PATIENTS = 50


def fit(encoder: str, coordinates: Floats, rows: Sequence[ManifestRow]) -> Recipe:
    """The recipe of slices' coordinates, float32 (N, D), and what they are of, in the same order.

    Raises:
        BenchmarkError: no label has enough patients.
    """
    labels = sorted({row.label for row in rows})
    diseases = []
    for label in labels:
        places = np.array([row.label == label for row in rows])
        own = [row for row in rows if row.label == label]
        patients = np.unique([row.patient_id for row in own], return_inverse=True)[1]
        if patients.max() + 1 >= _LEAST_PATIENTS:
            diseases.append(_disease(label, own[0].modality, coordinates[places], patients))
    if not diseases:
        raise BenchmarkError(f"no label has {_LEAST_PATIENTS} patients or more")
    return Recipe(encoder, tuple(diseases))


def _disease(
    label: str, modality: str, coordinates: Floats, patients: NDArray[np.int64]
) -> Disease:
    counts = np.bincount(patients)
    means = np.zeros((len(counts), coordinates.shape[1]))
    np.add.at(means, patients, coordinates)
    means /= counts[:, None]
    around = coordinates - means[patients]
    within = around.T @ around / (len(coordinates) - len(counts))
    # A mean of few slices is spread by them, too.
    between = np.cov(means.T) - within * np.mean(1 / counts)
    return Disease(
        label=label,
        modality=modality,
        mean=means.mean(axis=0).astype(np.float32),
        patients=_spreading(between),
        slices=_spreading(within),
        lasting=_lasting(coordinates, patients, float(np.trace(within))),
    )


def _spreading(covariance: NDArray[np.float64]) -> Spreading:
    sizes, directions = np.linalg.eigh(covariance)
    sizes = np.maximum(sizes, 0)
    factors = directions[:, -_RANK:] * np.sqrt(sizes[-_RANK:])
    rest = float(np.sqrt(sizes[:-_RANK].sum() / len(sizes)))
    return Spreading(factors.astype(np.float32), rest)


def _lasting(coordinates: Floats, patients: NDArray[np.int64], variance: float) -> float:
    """From how far the next slice of a patient is: that is 2 (1 - lasting) variances, squared."""
    squared = []
    for patient in range(patients.max() + 1):
        own = coordinates[patients == patient]
        if len(own) > 1:
            distances = np.linalg.norm(own[:, None] - own[None], axis=2)
            np.fill_diagonal(distances, np.inf)
            squared.extend(distances.min(axis=1) ** 2)
    return float(np.clip(1 - np.mean(squared) / (2 * variance), 0, 0.99))


def main(
    slices: Annotated[Path, typer.Argument(help="The list of slices, as for `model evaluate`.")],
    output: Annotated[Path, typer.Option(help="Where the recipe goes.")] = KEPT,
) -> None:
    """Embed the slices with the encoder that ships, and keep how the embeddings are spread."""
    embedder = Embedder(load(default_checkpoint()))
    config = embedder.preprocess_config
    prepared = prepare_slices(
        read_manifest(slices), config, {}, WorkerSettings(), lambda _done, _all: None
    )
    coordinates = embed(embedder, prepared.dataset, lambda _done, _all: None)
    save(fit(embedder.name, coordinates, prepared.rows), output)


if __name__ == "__main__":
    typer.run(main)
