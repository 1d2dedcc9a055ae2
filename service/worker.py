"""The worker: claims a batch, has it decoded, embeds it, and writes it in one transaction.

An object that cannot be decoded is marked with its reason while its batch goes on. A worker that
dies leaves leases that run out; what it had not committed is embedded by the next.
"""

import logging
import threading
from collections.abc import Iterator
from time import monotonic

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from dicom_node.files import ObjectStore
from model.embedder import Embedder
from service import queue
from service.decoding import (
    FRAMES_PER_TASK,
    DecodePool,
    Refusal,
    Task,
    count_frames,
    prepare_frames,
)
from service.encoders import ActiveEncoder
from service.lease import BatchLease
from service.metrics import WorkerMetrics
from service.outcomes import Outcome, write_outcomes
from service.settings import WorkerSettings

# Now and then a job that once ended its worker comes before the others, or it never would.
_SUSPECTS_EVERY = 8
_LOG = logging.getLogger("precuneus.worker")


class Worker:
    """One worker process on one encoder; `stop` may be called from a signal handler."""

    def __init__(
        self,
        engine: Engine,
        store: ObjectStore,
        embedder: Embedder,
        encoder: ActiveEncoder,
        settings: WorkerSettings,
        metrics: WorkerMetrics,
    ) -> None:
        self._engine = engine
        self._store = store
        self._embedder = embedder
        self._encoder = encoder
        self._settings = settings
        self._metrics = metrics
        self._stopping = threading.Event()
        self._batches = 0
        self._pool = DecodePool(
            settings.decode_processes, settings.decode_timeout_s, settings.decode_memory_mb
        )

    def stop(self) -> None:
        """End after the batch under way."""
        self._stopping.set()

    def run(self, *, once: bool = False) -> None:
        """Work until stopped, or with `once` until no job is left.

        While the database is away the worker waits for it: its leases run out, nothing is lost.
        """
        while not self._stopping.is_set():
            try:
                worked = self.run_batch()
                if once and not worked and self._is_drained():
                    break
            except SQLAlchemyError as error:
                if once:
                    raise
                fields = {"action": "database_lost", "error": type(error).__name__}
                _LOG.warning("waiting for the database", extra=fields)
                self._stopping.wait(1.0)
                continue
            if not worked:
                self._stopping.wait(self._settings.poll_s)
        self._pool.close()

    def run_batch(self) -> int:
        """Claim, embed and settle one batch; the number of instances settled."""
        with BatchLease(self._engine, self._settings.lease_s) as lease:
            self._batches += 1
            suspects_first = self._batches % _SUSPECTS_EVERY == 0
            jobs = lease.claim(self._settings.batch_size, suspects_first=suspects_first)
            if not jobs:
                return 0
            started = monotonic()
            outcomes = [self._given_up(job) or Outcome(job) for job in jobs]
            self._embed([outcome for outcome in outcomes if outcome.refusal is None])
            settled = write_outcomes(self._engine, self._encoder, lease.owner, outcomes)
        self._report(outcomes, settled, monotonic() - started)
        return len(settled)

    def _given_up(self, job: queue.Job) -> Outcome | None:
        if job.attempts <= queue.MAXIMUM_ATTEMPTS:
            return None
        reason = f"the worker ended {job.attempts - 1} times while embedding it"
        return Outcome(job, refusal=Refusal("failed", reason))

    def _embed(self, outcomes: list[Outcome]) -> None:
        """Fill in coordinates or refusals, holding no more than a few tasks' frames at a time."""
        waiting: list[tuple[Outcome, NDArray[np.float32]]] = []
        for outcome, prepared in self._prepared(outcomes):
            if isinstance(prepared, Refusal):
                outcome.refusal = outcome.refusal or prepared
                continue
            waiting.append((outcome, prepared))
            # Embedding early lets the decoding processes work meanwhile.
            if sum(len(frames) for _, frames in waiting) >= self._embedder.micro_batch:
                self._embed_waiting(waiting)
                waiting = []
        self._embed_waiting(waiting)

    def _prepared(
        self, outcomes: list[Outcome]
    ) -> Iterator[tuple[Outcome, NDArray[np.float32] | Refusal]]:
        paths = [self._store.path(outcome.job.file_name) for outcome in outcomes]
        tasks: list[tuple[Outcome, Task]] = []
        counts = self._pool.run(count_frames, [(path,) for path in paths])
        for outcome, path, count in zip(outcomes, paths, counts, strict=True):
            if isinstance(count, Refusal):
                outcome.refusal = count
                continue
            tasks += [
                (outcome, Task(path, start, min(count, start + FRAMES_PER_TASK)))
                for start in range(0, count, FRAMES_PER_TASK)
            ]
        config = self._embedder.preprocess_config
        arguments = [(task, config) for _, task in tasks]
        prepared = self._pool.run(prepare_frames, arguments)
        for (outcome, _), result in zip(tasks, prepared, strict=True):
            yield outcome, result

    def _embed_waiting(self, waiting: list[tuple[Outcome, NDArray[np.float32]]]) -> None:
        if not waiting:
            return
        coordinates = self._embedder.coordinates(np.concatenate([frames for _, frames in waiting]))
        ends = np.cumsum([len(frames) for _, frames in waiting])
        for (outcome, _), part in zip(waiting, np.split(coordinates, ends[:-1]), strict=True):
            outcome.coordinates.append(part)

    def _report(self, outcomes: list[Outcome], settled: set[int], seconds: float) -> None:
        done = [outcome for outcome in outcomes if outcome.job.instance_id in settled]
        refused = [outcome for outcome in outcomes if outcome.refusal is not None]
        frames = sum(len(part) for outcome in done for part in outcome.coordinates)
        embedded = sum(outcome.refusal is None for outcome in done)
        self._metrics.batch(embedded=embedded, frames=frames, seconds=seconds)
        for outcome in refused:
            if outcome.refusal is None:
                continue
            state = "postponed" if outcome.postponed else outcome.refusal.state
            self._metrics.refused(state)
            fields = {"action": state, "reason": outcome.refusal.reason}
            fields["sop_instance_uid"] = outcome.job.sop_instance_uid
            _LOG.warning("not embedded", extra=fields)
        totals: dict[str, object] = {"action": "batch", "instances": len(done), "frames": frames}
        _LOG.info("batch settled", extra=totals | {"seconds": round(seconds, 3)})

    def _is_drained(self) -> bool:
        with self._engine.connect() as connection:
            return queue.pending_count(connection) == 0
