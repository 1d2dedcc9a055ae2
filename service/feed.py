"""Keeps the encoder fed: the next batch is claimed and decoded while one is being embedded.

One thread does both, and it alone talks to the decoding processes. It writes nothing: what becomes
of a batch is the worker's to say.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import Engine

from dicom_node.files import ObjectStore
from model.preprocess import PreprocessConfig
from service import queue
from service.decoding import (
    FRAMES_PER_TASK,
    DecodePool,
    Prepared,
    Refusal,
    Task,
    prepare_frames,
    prepare_opening,
)
from service.frames import FrameBuffer
from service.lease import BatchLease, Jobs
from service.outcomes import Outcome
from service.settings import WorkerSettings

_FRAMES_AHEAD = 4 * FRAMES_PER_TASK


@dataclass
class Batch:
    """Claimed jobs: `outcomes` to fill in, and their frames as they are decoded."""

    lease: BatchLease
    outcomes: list[Outcome]
    frames: FrameBuffer = field(default_factory=lambda: FrameBuffer(_FRAMES_AHEAD))

    @property
    def is_suspect(self) -> bool:
        """Whether its job once ended a worker, so that no other may be under way beside it."""
        return any(outcome.job.attempts > queue.SUSPECT_ATTEMPTS for outcome in self.outcomes)


Upcoming: TypeAlias = "Future[Batch | None]"


class Feed:
    """Batches for one encoder, from `begin` to `close`; at most one is ahead of its reader."""

    def __init__(
        self,
        engine: Engine,
        jobs: Jobs,
        store: ObjectStore,
        pool: DecodePool,
        config: PreprocessConfig,
        settings: WorkerSettings,
    ) -> None:
        self._engine = engine
        self._jobs = jobs
        self._store = store
        self._pool = pool
        self._config = config
        self._settings = settings
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="feed")
        self._lock = threading.Lock()
        self._closing = False
        self._waiting: Batch | None = None

    def begin(self, *, suspects_first: bool = False, beside: bool = False) -> Upcoming:
        """Claim the next batch, once the one before is decoded; None where no job is free.

        `beside` says that another is being embedded: then a suspect is not claimed.
        """
        return self._executor.submit(self._claim, suspects_first, beside)

    def take(self, upcoming: Upcoming) -> Batch | None:
        """Wait for a batch and begin with it: from now on the reader answers for its lease.

        Raises SQLAlchemyError if the database is away.
        """
        batch = upcoming.result()
        with self._lock:
            self._waiting = None
        return batch

    def close(self) -> None:
        """Give back the batch that nobody began with, and end the thread."""
        with self._lock:
            self._closing = True
            if self._waiting is not None:
                self._waiting.frames.close()
        self._executor.shutdown(cancel_futures=True)
        if self._waiting is not None:
            self._waiting.lease.give_back()

    def _claim(self, suspects_first: bool, beside: bool) -> Batch | None:
        lease = BatchLease(self._engine, self._jobs, self._settings.lease_s)
        jobs = lease.claim(self._settings.batch_size, suspects_first=suspects_first)
        batch = Batch(lease, [_given_up(job) or Outcome(job) for job in jobs])
        if not jobs:
            return None
        if beside and batch.is_suspect:
            lease.give_back()
            return None
        with self._lock:
            self._waiting = batch
            if self._closing:
                batch.frames.close()
            else:
                self._executor.submit(self._decode, batch)
        return batch

    def _decode(self, batch: Batch) -> None:
        """Put a batch's frames, or refusals, where the reader finds them."""
        try:
            for outcome, prepared in self._prepared(batch.outcomes):
                if isinstance(prepared, Refusal):
                    outcome.refusal = outcome.refusal or prepared
                    continue
                outcome.planes.extend(prepared.planes)
                if not batch.frames.put(outcome, prepared.pictures):
                    return
        except BaseException as error:
            batch.frames.end(error)
        else:
            batch.frames.end()

    def _prepared(self, outcomes: list[Outcome]) -> Iterator[tuple[Outcome, Prepared | Refusal]]:
        """First what every object begins with, then what long ones have more."""
        wanted = [outcome for outcome in outcomes if outcome.refusal is None]
        paths = [self._store.path(outcome.job.file_name) for outcome in wanted]
        openings = self._pool.run(prepare_opening, [(path, self._config) for path in paths])
        rest: list[tuple[Outcome, Task]] = []
        for outcome, path, opening in zip(wanted, paths, openings, strict=True):
            if isinstance(opening, Refusal):
                yield outcome, opening
                continue
            yield outcome, opening.first
            rest += [
                (outcome, Task(path, start, min(opening.frames, start + FRAMES_PER_TASK)))
                for start in range(FRAMES_PER_TASK, opening.frames, FRAMES_PER_TASK)
            ]
        prepared = self._pool.run(prepare_frames, [(task, self._config) for _, task in rest])
        for (outcome, _), found in zip(rest, prepared, strict=True):
            yield outcome, found


def _given_up(job: queue.Job) -> Outcome | None:
    if job.attempts <= queue.MAXIMUM_ATTEMPTS:
        return None
    reason = f"the worker ended {job.attempts - 1} times while embedding it"
    return Outcome(job, refusal=Refusal("failed", reason))
