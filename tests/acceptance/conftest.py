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
from service.settings import WorkerSettings
from tests.support.shared_gallery import SharedGallery

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
def embedded(shared_data: Path, shared_gallery: SharedGallery) -> Embedded:
    """All slices of the list, with what is no head."""
    checkpoint = load(checkpoint_named("dev"))
    rows = tuple(read_manifest(shared_data / "slices.csv"))
    uids = [one.sop_instance_uid for one in shared_gallery.slices]
    assert [row.sop_instance_uid for row in rows] == uids, "the list was read in another order"
    slices = Slices(
        shared_gallery.coordinates, [row.label for row in rows], [row.patient_id for row in rows]
    )
    paths = read_unlike(NOT_HEADS, shared_data / "interop")
    settings, coordinates_of = WorkerSettings(decode_processes=2), Embedder(checkpoint).coordinates
    others = embed_unlike(paths, checkpoint.info.preprocess, coordinates_of, settings)
    return Embedded(rows, slices, others)
