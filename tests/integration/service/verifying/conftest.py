"""A gallery in which nothing is wrong: real files, rows and vectors, with labels."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.receive import Receiver
from service import queue
from service.encoders.registry import ActiveEncoder
from service.labels.record import LabelRecord
from service.labels.writing import record_labels
from service.outcomes import Outcome, write_outcomes
from service.settings import Settings
from service.verifying.report import Verification
from service.verifying.verify import Extent, verify
from tests.support.encoders import unit
from tests.support.objects import ct_dataset, write_file

STUDIES, SLICES = 4, 3


@dataclass(frozen=True)
class Sound:
    """The gallery, and how tests change and verify it."""

    engine: Engine
    store: ObjectStore
    settings: Settings
    encoder: ActiveEncoder

    def study(self, number: int) -> str:
        """The UID of a study, of a patient of its own."""
        return f"1.2.3.{number}"

    def uid(self, study: int, slice_: int) -> str:
        """The UID of an instance."""
        return f"{self.study(study)}.1.{slice_}"

    def run(self, statement: str, **values: object) -> None:
        """Change the database."""
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def break_index(self, name: str) -> None:
        """Leave an invalid index behind, as a concurrent build does that fails."""
        index = f"INDEX CONCURRENTLY {name} ON {self.encoder.partition} (modality)"
        engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection, pytest.raises(IntegrityError):
            connection.exec_driver_sql(f"CREATE UNIQUE {index}")

    def file(self, uid: str) -> Path:
        """An instance's file."""
        with self.engine.connect() as connection:
            statement = text("SELECT file_name FROM instance WHERE sop_instance_uid = :uid")
            return self.store.path(connection.execute(statement, {"uid": uid}).scalar_one())

    def verify(self, **extent: object) -> Verification:
        """Look at everything there is."""
        extent = {"sample": 20, "deep": True} | extent
        return verify(self.engine, self.store, self.settings, Extent(**extent))  # type: ignore[arg-type]

    def faults(self, **extent: object) -> dict[str, int]:
        """What is wrong, and how often."""
        return {fault.kind: fault.count for fault in self.verify(**extent).faults}


@pytest.fixture
def embed(engine: Engine, encoder: ActiveEncoder) -> Callable[[], int]:
    """Settles all that waits, with made-up vectors; returns how many."""

    def settle() -> int:
        owner, random = uuid4(), np.random.default_rng(5)
        with engine.begin() as connection:
            jobs = queue.claim(connection, owner, 100, 30)
        made = [
            Outcome(job, [unit(random.normal(size=(1, encoder.dimension)))], planes=["AXIAL"])
            for job in jobs
        ]
        return len(write_outcomes(engine, encoder, owner, made))

    return settle


@pytest.fixture
def sound(
    engine: Engine,
    take: Receiver,
    store: ObjectStore,
    settings: Settings,
    encoder: ActiveEncoder,
    embed: Callable[[], int],
    tmp_path: Path,
) -> Sound:
    """Four studies of three slices; the first study has a label, and so has one slice of it."""
    gallery = Sound(engine, store, settings, encoder)
    for study in range(STUDIES):
        for slice_ in range(SLICES):
            dataset = ct_dataset(
                seed=10 * study + slice_,
                patient_id=f"ZQ-{study}",
                study_instance_uid=gallery.study(study),
                series_instance_uid=f"{gallery.study(study)}.1",
                sop_instance_uid=gallery.uid(study, slice_),
            )
            import_file(take, write_file(tmp_path / "sent" / f"{study}-{slice_}.dcm", dataset))
    labels = [
        LabelRecord(None, gallery.study(0), "bleed", "report"),
        LabelRecord(gallery.uid(0, 1), None, "glioma", "report"),
    ]
    with engine.begin() as connection:
        record_labels(connection, labels)
    assert embed() == STUDIES * SLICES
    return gallery
