"""A worker process's shifts: live objects first, followers' work where there are none.

It takes up the encoder that is active now, without a restart, and leaves a reindex alone as soon as
something live waits. When a reindex has filled its partition, one worker has it finished beside its
own work.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from time import monotonic

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from dicom_node.files import ObjectStore
from model.errors import ModelError
from service import queue
from service.embedders import Embedders
from service.encoders.registry import (
    FOLLOWED,
    ActiveEncoder,
    find_active,
    get_active,
    list_encoders,
)
from service.errors import EncoderMismatch
from service.metrics import WorkerMetrics
from service.reindex.finishing import Finisher
from service.reindex.jobs import ChunkJobs
from service.reindex.source import FollowerSource
from service.settings import Settings
from service.worker import LiveSource, Source, Worker, make_pool

_LOG = logging.getLogger("precuneus.worker")
# How long weights that this version cannot use are let alone: meanwhile others may do the work.
_UNUSABLE_S = 60.0
_LONGEST_REST_S = 10.0


class Shifts:
    """Runs one worker after another, of encoders that have work; `stop` from a signal handler."""

    def __init__(
        self,
        engine: Engine,
        store: ObjectStore,
        embedders: Embedders,
        settings: Settings,
        metrics: WorkerMetrics,
    ) -> None:
        self._engine = engine
        self._store = store
        self._embedders = embedders
        self._settings = settings
        self._metrics = metrics
        self._finisher = Finisher(engine, settings)
        self._pool = make_pool(settings.worker)
        self._stopping = threading.Event()
        self._worker: Worker | None = None
        self._unusable: dict[int, float] = {}
        self._rested = monotonic()

    def stop(self) -> None:
        """End after the batches being embedded and written."""
        self._stopping.set()
        if self._worker is not None:
            self._worker.stop()

    def run(self, *, once: bool = False) -> None:
        """Work until stopped, or with `once` until nothing is left, not of a reindex either.

        Raises:
            EncoderMismatch: the active encoder's weights cannot be had.
            SQLAlchemyError: with `once`, the database is away; else it is waited for.
        """
        with closing(self._pool):
            while not self._stopping.is_set():
                try:
                    self._work_live(once=once)
                    self._work_behind()
                    if once and self._is_done():
                        return
                except SQLAlchemyError as error:
                    if once:
                        raise
                    fields = {"action": "database_lost", "error": type(error).__name__}
                    _LOG.warning("waiting for the database", extra=fields)
                    self._stopping.wait(1.0)

    def _work_live(self, *, once: bool) -> None:
        with self._engine.connect() as connection:
            active = get_active(connection)
            known = {e.encoder_id for e in list_encoders(connection, *FOLLOWED, "active")}
        self._embedders.keep_only(known)

        def may_leave(idle: bool) -> bool:
            return idle and self._is_wanted_elsewhere(active)

        self._run(active, LiveSource(self._engine, active), once, may_leave)

    def _work_behind(self) -> None:
        """What followers have left, until something live waits; then what a filled one needs."""
        for follower in self._behind():
            self._rested = monotonic()
            source = FollowerSource(self._engine, follower)
            try:
                self._run(follower, source, True, lambda idle: idle or self._is_live_waiting())
            except (EncoderMismatch, ModelError) as error:
                self._unusable[follower.encoder_id] = monotonic() + _UNUSABLE_S
                fields = {"action": "encoder_unusable", "encoder": follower.name}
                _LOG.warning("%s", error, extra=fields)
        if self._finisher.is_due():
            self._finisher.start()

    def _run(
        self,
        encoder: ActiveEncoder,
        source: Source,
        once: bool,
        may_leave: Callable[[bool], bool],
    ) -> None:
        embedder = self._embedders.get(encoder)
        settings = self._settings.worker
        if isinstance(source, FollowerSource):
            settings = settings.model_copy(update={"batch_size": self._settings.reindex.batch_size})
        work = (self._engine, self._store, embedder, source, settings, self._metrics, self._pool)
        self._worker = Worker(*work)
        # A signal may have come before there was this worker to be told.
        if not self._stopping.is_set():
            self._worker.run(once=once, may_leave=may_leave)

    def _behind(self) -> Iterator[ActiveEncoder]:
        """Encoders that have free chunks and can be used here."""
        with self._engine.connect() as connection:
            followers = [e.searched for e in list_encoders(connection, *FOLLOWED)]
            behind = [f for f in followers if ChunkJobs(f).any_free(connection)]
        now = monotonic()
        for follower in behind:
            if self._unusable.get(follower.encoder_id, 0.0) < now and not self._stopping.is_set():
                yield follower

    def _is_wanted_elsewhere(self, active: ActiveEncoder) -> bool:
        """Whether an idle worker has something else to do than to wait for live objects."""
        with self._engine.connect() as connection:
            if find_active(connection) != active:
                return True
        return any(self._behind()) or self._finisher.is_due()

    def _is_live_waiting(self) -> bool:
        """Rest after a batch of a follower, and say whether something live waits."""
        share = self._settings.reindex.share
        pause = min(_LONGEST_REST_S, (monotonic() - self._rested) * (1 - share) / share)
        until = monotonic() + pause
        while True:
            with self._engine.connect() as connection:
                if queue.any_free(connection):
                    return True
            left = until - monotonic()
            if left <= 0 or self._stopping.wait(min(left, self._settings.worker.poll_s)):
                self._rested = monotonic()
                return False

    def _is_done(self) -> bool:
        """Whether nothing is left that this process could do."""
        self._finisher.wait()
        with self._engine.connect() as connection:
            is_waiting = queue.pending_count(connection) > 0
        return not (is_waiting or any(self._behind()) or self._finisher.is_due())
