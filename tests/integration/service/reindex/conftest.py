"""A gallery of small objects that one encoder has embedded, and another one that might."""

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from dicom_node.importing import import_file
from dicom_node.receive import Receiver
from service.embedders import Embedders, register_file
from service.encoders.registry import ActiveEncoder, get_active
from service.metrics import WorkerMetrics
from service.opening import object_store
from service.processes.worker import load_encoder
from service.settings import EncoderSettings, ReindexSettings, Settings, WorkerSettings
from service.shifts import Shifts
from tests.integration.service.reindex.filling import Filling
from tests.support.objects import ct_dataset, write_file


@dataclass
class Gallery:
    """A gallery with two encoders, the first of them active."""

    engine: Engine
    settings: Settings
    first: ActiveEncoder
    other: ActiveEncoder
    take: Receiver
    folder: Path

    def add(self, count: int, **changes: object) -> list[str]:
        """Take small CT slices in, each of a patient of its own; their UIDs."""
        uids = []
        for _ in range(count):
            name = uuid4()
            dataset = ct_dataset(patient_id=name.hex, seed=name.int % 2**32, **changes)
            import_file(self.take, write_file(self.folder / f"{name}.dcm", dataset))
            uids.append(str(dataset.SOPInstanceUID))
        return uids

    def shifts(self) -> Shifts:
        """A worker's shifts, as its process runs them."""
        embedders = Embedders(self.engine, self.settings)
        store = object_store(self.settings)
        return Shifts(self.engine, store, embedders, self.settings, WorkerMetrics())

    def work(self) -> None:
        """Do all that a worker finds to do."""
        self.shifts().run(once=True)

    def ask(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        """Rows of a query."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def embedded(self, encoder: ActiveEncoder) -> list[str]:
        """UIDs of an encoder's rows, one a row, sorted."""
        rows = self.ask(
            "SELECT sop_instance_uid FROM embedding JOIN instance USING (instance_id)"
            " WHERE encoder_id = :encoder_id ORDER BY 1",
            encoder_id=encoder.encoder_id,
        )
        return [str(uid) for (uid,) in rows]

    def states(self) -> dict[str, str]:
        """The encoders' states, by name."""
        return {str(n): str(s) for n, s in self.ask("SELECT name, state FROM encoder")}

    def active(self) -> ActiveEncoder:
        """The encoder that answers."""
        with self.engine.connect() as connection:
            return get_active(connection)


@pytest.fixture
def gallery(
    engine: Engine,
    settings: Settings,
    take: Receiver,
    checkpoint_file: Path,
    other_file: Path,
    tmp_path: Path,
) -> Gallery:
    changed = settings.model_copy(
        update={
            "encoder": EncoderSettings(checkpoint=checkpoint_file),
            "worker": WorkerSettings(decode_processes=1, batch_size=16, poll_s=0.01),
            "reindex": ReindexSettings(share=1, batch_size=4),
        }
    )
    _, first = load_encoder(engine, changed)
    other = register_file(engine, changed, other_file)
    return Gallery(engine, changed, first, other, take, tmp_path / "objects")


@pytest.fixture
def filling(engine: Engine, encoder: ActiveEncoder, tmp_path: Path) -> Filling:
    """Thirty made-up slices that another encoder lacks."""
    return Filling(engine, encoder, tmp_path, 30)
