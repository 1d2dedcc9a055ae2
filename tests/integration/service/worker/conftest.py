"""Workers on the test's own gallery, with a real encoder that is small."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.receive import Receiver
from model.checkpoint import load
from model.embedder import Embedder
from service.decoding import DecodePool
from service.encoders.registry import ActiveEncoder
from service.metrics import WorkerMetrics
from service.processes.worker import load_encoder
from service.settings import EncoderSettings, Settings, WorkerSettings
from service.worker import LiveSource, Worker, make_pool
from tests.support.embedders import Batch, WatchedEmbedder
from tests.support.objects import write_file

MakeWorker = Callable[..., Worker]


@dataclass(frozen=True)
class Settled:
    """What became of an instance."""

    state: str
    reason: str | None
    frames: int
    labels: list[str]


class Bench:
    """A gallery, and what brings objects into it and looks at them."""

    def __init__(self, engine: Engine, take: Receiver, folder: Path) -> None:
        self.engine = engine
        self._take = take
        self._folder = folder

    def add(self, *datasets: Dataset, transfer_syntax: str = "1.2.840.10008.1.2.1") -> list[str]:
        """Take objects in; their UIDs."""
        for dataset in datasets:
            path = write_file(self._folder / "object.dcm", dataset, transfer_syntax)
            import_file(self._take, path)
        return [str(dataset.SOPInstanceUID) for dataset in datasets]

    def settled(self) -> dict[str, Settled]:
        """What became of each instance, by UID."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT sop_instance_uid, state, reason, count(e.frame) AS frames,"
                    " coalesce(max(e.labels), '{}') AS labels"
                    " FROM instance LEFT JOIN embedding e USING (instance_id)"
                    " GROUP BY sop_instance_uid, state, reason"
                )
            ).all()
        return {r.sop_instance_uid: Settled(r.state, r.reason, r.frames, r.labels) for r in rows}

    def states(self) -> list[str]:
        """The states of all instances, sorted."""
        return sorted(found.state for found in self.settled().values())

    def waiting(self) -> int:
        """How many jobs are left."""
        with self.engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM embedding_job")).scalar_one())


@pytest.fixture
def bench(engine: Engine, take: Receiver, tmp_path: Path) -> Bench:
    return Bench(engine, take, tmp_path)


@pytest.fixture
def loaded(
    engine: Engine, settings: Settings, checkpoint_file: Path
) -> tuple[Embedder, ActiveEncoder]:
    """The small encoder, registered as a worker's start does it."""
    encoder = EncoderSettings(checkpoint=checkpoint_file)
    return load_encoder(engine, settings.model_copy(update={"encoder": encoder}))


@pytest.fixture
def make_worker(
    engine: Engine,
    store: ObjectStore,
    checkpoint_file: Path,
    loaded: tuple[Embedder, ActiveEncoder],
) -> Iterator[MakeWorker]:
    """Makes workers; `before` is called with each batch that is about to be embedded."""
    pools: list[DecodePool] = []

    def make(before: Callable[[Batch], object] = lambda _batch: None, **changes: object) -> Worker:
        values: dict[str, object] = {"decode_processes": 1, "lease_s": 3600, "poll_s": 0.01}
        worker_settings = WorkerSettings.model_validate(values | changes)
        pools.append(make_pool(worker_settings))
        return Worker(
            engine,
            store,
            WatchedEmbedder(load(checkpoint_file), before),
            LiveSource(engine, loaded[1]),
            worker_settings,
            WorkerMetrics(),
            pools[-1],
        )

    yield make
    for pool in pools:
        pool.close()


def run_until_drained(bench: Bench, make_worker: MakeWorker, **options: Any) -> None:
    """Run a worker that nobody restarts, until no job is left or it has died."""
    worker = make_worker(**options)
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(worker.run)
        try:
            while not running.done() and not is_drained(bench):
                pass
        finally:
            worker.stop()
        running.result()


def is_drained(bench: Bench) -> bool:
    """Whether no job is left, as far as the database can be asked."""
    try:
        return bench.waiting() == 0
    except SQLAlchemyError:
        return False
