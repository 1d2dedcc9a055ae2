"""The worker: embeds what its feed has claimed and decoded, and has each batch written down.

An object that cannot be decoded is marked with its reason while its batch goes on. A worker that
dies leaves leases that run out; what it had not committed is embedded by the next. Where its jobs
come from and go to is its source's to say: the live queue, or a reindex.
"""

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from time import monotonic
from typing import Protocol
from uuid import UUID

import numpy as np
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from dicom_node.files import ObjectStore
from model.embedder import Embedder
from service import queue
from service.decoding import DecodePool
from service.encoders.registry import ActiveEncoder
from service.errors import EncoderChanged
from service.feed import Batch, Feed, Upcoming
from service.frames import Pictures
from service.lease import Jobs
from service.metrics import WorkerMetrics
from service.outcomes import Outcome, write_outcomes
from service.settings import WorkerSettings
from service.writer import Writer

# Now and then a job that once ended its worker comes before the others, or it never would.
_SUSPECTS_EVERY = 8
_SWITCH_S = 0.0005
_LOG = logging.getLogger("precuneus.worker")


class Source(Protocol):
    """Where a worker's jobs come from, and where what became of them goes."""

    @property
    def jobs(self) -> Jobs:
        """The queue that is claimed from."""

    def write(self, owner: UUID, outcomes: Sequence[Outcome]) -> set[int]:
        """Settle what `owner` still holds; the instances settled. Raises as `write_outcomes`."""

    def is_drained(self) -> bool:
        """Whether no job is left."""


class LiveSource:
    """What arrived, embedded by the active encoder."""

    jobs: Jobs = queue

    def __init__(self, engine: Engine, encoder: ActiveEncoder) -> None:
        self._engine = engine
        self._encoder = encoder

    def write(self, owner: UUID, outcomes: Sequence[Outcome]) -> set[int]:
        """See `service.outcomes.write_outcomes`."""
        return write_outcomes(self._engine, self._encoder, owner, outcomes)

    def is_drained(self) -> bool:
        """Whether nothing waits."""
        with self._engine.connect() as connection:
            return queue.pending_count(connection) == 0


def make_pool(settings: WorkerSettings) -> DecodePool:
    """The processes that decode for workers of these settings."""
    return DecodePool(
        settings.decode_processes, settings.decode_timeout_s, settings.decode_memory_mb
    )


class Worker:
    """One encoder at work on one source; `stop` may be called from a signal handler.

    Several may share a `pool` of decoding processes, one after the other; its maker closes it.
    """

    def __init__(
        self,
        engine: Engine,
        store: ObjectStore,
        embedder: Embedder,
        source: Source,
        settings: WorkerSettings,
        metrics: WorkerMetrics,
        pool: DecodePool,
    ) -> None:
        self._engine = engine
        self._store = store
        self._embedder = embedder
        self._source = source
        self._settings = settings
        self._metrics = metrics
        self._stopping = threading.Event()
        self._batches = 0
        self._pool = pool

    def stop(self) -> None:
        """End after the batches being embedded and written."""
        self._stopping.set()

    def run(
        self, *, once: bool = False, may_leave: Callable[[bool], bool] = lambda _idle: False
    ) -> None:
        """Work until stopped, or with `once` until no job is left.

        After each batch, and when there is none (`idle`), `may_leave` is asked whether to end. It
        ends, too, when another encoder was activated. While the database is away the worker waits
        for it: its leases run out, nothing is lost.
        """
        upcoming: Upcoming | None = None
        with (
            _switching_often(),
            Writer() as writer,
            closing(self._open_feed()) as feed,
        ):
            while not self._stopping.is_set():
                upcoming, ready = None, upcoming or self._begin(feed)
                try:
                    batch = feed.take(ready)
                    if batch is not None:
                        # A suspect is embedded with no other batch under way, which it might harm.
                        if not batch.is_suspect and not self._is_suspects_turn():
                            upcoming = self._begin(feed, beside=True)
                        self._settle(batch, writer)
                        if batch.is_suspect:
                            writer.finish()
                        if may_leave(False):
                            break
                        continue
                    writer.finish()
                    if (once and self._source.is_drained()) or may_leave(True):
                        break
                    self._stopping.wait(self._settings.poll_s)
                except EncoderChanged as change:
                    _LOG.info("%s", change, extra={"action": "encoder_changed"})
                    break
                except SQLAlchemyError as error:
                    if once:
                        raise
                    self._await_database(error)

    def _await_database(self, error: SQLAlchemyError) -> None:
        fields = {"action": "database_lost", "error": type(error).__name__}
        _LOG.warning("waiting for the database", extra=fields)
        self._stopping.wait(1.0)

    def run_batch(self) -> int:
        """Claim, embed and settle one batch; the number of instances settled."""
        with Writer() as writer, closing(self._open_feed()) as feed:
            batch = feed.take(self._begin(feed))
            if batch is None:
                return 0
            self._settle(batch, writer)
            return writer.finish()

    def _open_feed(self) -> Feed:
        config = self._embedder.preprocess_config
        jobs = self._source.jobs
        return Feed(self._engine, jobs, self._store, self._pool, config, self._settings)

    def _begin(self, feed: Feed, *, beside: bool = False) -> Upcoming:
        suspects_first = self._is_suspects_turn()
        self._batches += 1
        return feed.begin(suspects_first=suspects_first, beside=beside)

    def _is_suspects_turn(self) -> bool:
        """Whether the next batch to be claimed is one of those for suspects."""
        return (self._batches + 1) % _SUSPECTS_EVERY == 0

    def _settle(self, batch: Batch, writer: Writer) -> None:
        """Embed a batch, a suspect only once the one before is written, and have it written down.

        Raises what ending the one before raised.
        """
        started = monotonic()
        with closing(batch.frames), ExitStack() as held:
            held.enter_context(batch.lease)
            if batch.is_suspect:
                writer.finish()
            finish = self._embed(batch)
            writer.begin(partial(self._write, batch, started, finish), held)

    def _embed(self, batch: Batch) -> Callable[[], None]:
        """Embed frames as they are decoded, and return what waits for the last ones' coordinates.

        It gives every outcome its own; meanwhile the next batch can have the cores.
        """
        lengths: list[tuple[Outcome, int]] = []

        def parts() -> Iterator[Pictures]:
            while portions := batch.frames.take(self._embedder.micro_batch):
                lengths.extend((outcome, len(pictures)) for outcome, pictures in portions)
                yield np.concatenate([pictures for _, pictures in portions])

        under_way = self._embedder.begin(parts())

        def finish() -> None:
            found, start = under_way(), 0
            for outcome, length in lengths:
                outcome.coordinates.append(found[start : start + length])
                start += length

        return finish

    def _write(self, batch: Batch, started: float, finish: Callable[[], None]) -> int:
        finish()
        settled = self._source.write(batch.lease.owner, batch.outcomes)
        self._report(batch.outcomes, settled, monotonic() - started)
        return len(settled)

    def _report(self, outcomes: list[Outcome], settled: set[int], seconds: float) -> None:
        done = [outcome for outcome in outcomes if outcome.job.instance_id in settled]
        frames = sum(len(part) for outcome in done for part in outcome.coordinates)
        embedded = sum(outcome.refusal is None for outcome in done)
        self._metrics.batch(embedded=embedded, frames=frames, seconds=seconds)
        for outcome in outcomes:
            if outcome.refusal is None:
                continue
            state = "postponed" if outcome.postponed else outcome.refusal.state
            self._metrics.refused(state)
            fields = {"action": state, "reason": outcome.refusal.reason}
            fields["sop_instance_uid"] = outcome.job.sop_instance_uid
            _LOG.warning("not embedded", extra=fields)
        totals: dict[str, object] = {"action": "batch", "instances": len(done), "frames": frames}
        _LOG.info("batch settled", extra=totals | {"seconds": round(seconds, 3)})


@contextmanager
def _switching_often() -> Iterator[None]:
    """Let lanes that finish a step have the interpreter back soon from who writes rows.

    By default they would wait up to 5 ms, longer than most of their steps take.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
