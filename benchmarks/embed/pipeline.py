"""A worker fed by files, beside its two halves alone: decoding and embedding.

The worker is the service's own, on a gallery of the benchmark's own. All three see the same files
in the same run, and have the processes and threads that the worker gives them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from benchmarks.embed.heads import write_heads
from dicom_node.configure import configure_pydicom
from dicom_node.importing import import_file
from model.embedder import Embedder
from service.decoding import DecodePool, prepare_opening
from service.encoders.registry import ActiveEncoder
from service.metrics import WorkerMetrics
from service.opening import object_store, open_gallery, receiver
from service.processes.worker import load_encoder
from service.settings import Settings
from service.worker import LiveSource, Worker

HALVES = ("decoding", "embedding")
WORKER = "worker"

_AGAIN = (
    "DELETE FROM embedding",
    "UPDATE instance SET state = 'pending', reason = NULL, settled_at = NULL",
    "INSERT INTO embedding_job (instance_id) SELECT instance_id FROM instance"
    " ON CONFLICT DO NOTHING",
)
# Rows of a batch share one time. The first batch only fills the pipe, and beside the last there is
# nothing left to decode: what lies between has as much decoded as embedded.
_SETTLED = "SELECT settled_at, count(*) AS slices FROM instance GROUP BY 1 ORDER BY 1"


@dataclass(frozen=True)
class Pipeline:
    """A gallery full of objects, and what a worker needs."""

    settings: Settings
    engine: Engine
    embedder: Embedder
    encoder: ActiveEncoder
    metrics: WorkerMetrics
    pool: DecodePool
    prepared: NDArray[np.float32]

    def rates(self) -> dict[str, float]:
        """Slices per second of each half alone and of the worker."""
        return {
            "decoding": self._rate(self._decode),
            "embedding": self._rate(self._embed),
            WORKER: self._worker_rate(),
        }

    def _rate(self, work: Callable[[], object]) -> float:
        started = perf_counter()
        work()
        return len(self.prepared) / (perf_counter() - started)

    def _decode(self) -> list[NDArray[np.float32]]:
        return decode(self.settings, self.pool, self.embedder)

    def _embed(self) -> None:
        self.embedder.coordinates(self.prepared)

    def _worker_rate(self) -> float:
        with self.engine.begin() as connection:
            for statement in _AGAIN:
                connection.exec_driver_sql(statement)
        store, settings = object_store(self.settings), self.settings.worker
        source = LiveSource(self.engine, self.encoder)
        work = (self.engine, store, self.embedder, source, settings, self.metrics, self.pool)
        Worker(*work).run(once=True)
        with self.engine.connect() as connection:
            batches = connection.execute(text(_SETTLED)).all()
        seconds: float = (batches[-2].settled_at - batches[0].settled_at).total_seconds()
        return sum(int(batch.slices) for batch in batches[1:-1]) / seconds


def decode(settings: Settings, pool: DecodePool, embedder: Embedder) -> list[NDArray[np.float32]]:
    """Every object's frames, as the worker has them prepared."""
    store = object_store(settings)
    paths = [store.path(name) for name in store.names()]
    arguments = [(path, embedder.preprocess_config) for path in paths]
    return [opening.first.pictures for opening in pool.run(prepare_opening, arguments)]


@contextmanager
def opened(folder: Path, number: int) -> Iterator[Pipeline]:
    """The gallery that the environment names, with `number` objects of one slice in it."""
    configure_pydicom()
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    paths = write_heads(folder / "heads", number)
    with open_gallery(settings) as engine:
        take = receiver(settings, engine)
        for path in paths:
            import_file(take, path)
        embedder, encoder = load_encoder(engine, settings)
        worker = settings.worker
        pool = DecodePool(worker.decode_processes, worker.decode_timeout_s, worker.decode_memory_mb)
        try:
            prepared = np.concatenate(decode(settings, pool, embedder))
            yield Pipeline(settings, engine, embedder, encoder, WorkerMetrics(), pool, prepared)
        finally:
            pool.close()
