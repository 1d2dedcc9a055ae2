"""Real slices and images of other things, embedded once a run by the encoder `dev`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.checkpoint import checkpoint_named, load
from model.embedder import Embedder
from model.manifest import ManifestRow, read_manifest
from service.calibration.listed import Slices
from service.calibration.unlike import embed_unlike, read_unlike
from service.evaluating import embed, prepare_slices
from service.settings import WorkerSettings

NOT_HEADS = Path(__file__).parent / "not_heads.csv"
QUERIES = 4


@dataclass(frozen=True)
class Embedded:
    """Labelled slices by `rows`, fold 4 of which the encoder has not seen, and what is no head."""

    rows: tuple[ManifestRow, ...]
    slices: Slices
    not_heads: NDArray[np.float32]

    @property
    def asks(self) -> NDArray[np.bool_]:
        """Which slices are queries; the others are the gallery."""
        return np.array([row.fold == QUERIES for row in self.rows])


@pytest.fixture(scope="session")
def embedded(shared_data: Path) -> Embedded:
    """All slices of the list, embedded on the CPU: a minute or two."""
    settings = WorkerSettings(decode_processes=2)
    checkpoint = load(checkpoint_named("dev"))
    rows = tuple(read_manifest(shared_data / "slices.csv"))
    prepared = prepare_slices(rows, checkpoint.info.preprocess, {}, settings, _silent)
    assert prepared.rows == rows
    embedder = Embedder(checkpoint)
    vectors = embed(embedder, prepared.dataset, _silent)
    slices = Slices(vectors, [row.label for row in rows], [row.patient_id for row in rows])
    paths = read_unlike(NOT_HEADS, shared_data / "interop")
    others = embed_unlike(paths, checkpoint.info.preprocess, embedder.coordinates, settings)
    return Embedded(rows, slices, others)


def _silent(_done: int, _total: int) -> None:
    pass
