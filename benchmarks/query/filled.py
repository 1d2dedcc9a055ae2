"""Galleries to search: filled for one run, or once for many."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.installation import Installation, installed
from benchmarks.plan import Plan
from benchmarks.query.gallery import Gallery, fill, measure_gallery
from benchmarks.query.slices import MadeUpSlices
from service.encoders.registry import EncoderDescription
from service.postgres import Cluster

_READ_BYTES = 1 << 24


@dataclass(frozen=True)
class Filled:
    """An installation whose gallery holds `slices`."""

    installation: Installation
    gallery: Gallery
    slices: MadeUpSlices


@contextmanager
def filled(plan: Plan, slices: MadeUpSlices, encoder: EncoderDescription) -> Iterator[Filled]:
    """A gallery of these slices; one kept by an earlier run is taken as it is."""
    folder = (plan.kept or plan.folder) / f"{encoder.name}-{len(slices)}"
    marker = folder / "filled.json"
    if plan.kept is not None:
        plan.kept.mkdir(mode=0o711, exist_ok=True)
        if folder.exists() and not marker.exists():
            # Of a run that was stopped while it filled.
            Cluster(folder / "state").remove()
            shutil.rmtree(folder)
    with installed(folder, keep=plan.kept is not None) as installation:
        if marker.exists():
            times = json.loads(marker.read_text())
            gallery = measure_gallery(installation.engine, *times)
            _read_ahead(installation)
        else:

            def done(loaded: int) -> None:
                plan.progress(f"filling a gallery of {len(slices):,} slices", loaded, len(slices))

            gallery = fill(installation, slices, encoder, done)
            marker.write_text(json.dumps([gallery.load_s, gallery.index_s]))
        yield Filled(installation, gallery, slices)


def _read_ahead(installation: Installation) -> None:
    """Bring the database's files into the system's cache, where filling would have left them."""
    base = Cluster(installation.settings.state_dir).data_dir / "base"
    for path in base.rglob("*"):
        if path.is_file() and os.access(path, os.R_OK):
            _read(path)


def _read(path: Path) -> None:
    with path.open("rb") as file:
        while file.read(_READ_BYTES):
            pass
