"""The recall canary: now and then a few searches are answered twice, and what was lost is kept.

The node's housekeeping runs it, and so does one process of an installation at a time. What it found
lies in one row of the database, so a scrape of the metrics costs one look-up.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from time import monotonic, time

from pydantic import TypeAdapter
from sqlalchemy import Connection, Engine, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError

from service.db.tables import installation
from service.encoders.reach import Reach, measure_reach
from service.encoders.registry import ActiveEncoder, find_active
from service.errors import NoteUnreadable
from service.notes import Amount, Count, Moment, Share, read_note
from service.verifying.recall import K, measure_recall

_LOG = logging.getLogger("precuneus.node")
_NAME = "recall_canary"
_QUERIES = 5
_LOOKED = 500
# What counts is the last this many measurements: two losses in 2,000 neighbours are not noise.
_WINDOW = 40
# A large gallery takes seconds to be read whole: at most this share of the time goes into it.
_SHARE = 0.01
_PATIENCE_S = 60
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtext('precuneus recall canary'))")


@dataclass(frozen=True)
class CanaryReading:
    """What the canary said last; `recall` is over its window, `last` of the last measurement.

    `lost` has the true neighbours that were missed in each measurement, `queries` how many
    searches it took, oldest first; `measured_at` is in seconds since 1970, and both recalls are
    None when a measurement took too long. `seconds` is how long the last one took, which `looked`
    whether so many slices are in the index's reach, too; 0 where that took too long.
    """

    encoder: str
    measured_at: Moment
    seconds: Amount
    recall: Share | None
    last: Share | None
    lost: tuple[Count, ...]
    queries: tuple[Count, ...]
    looked: Count = 0
    out_of_reach: Count = 0

    @property
    def reach(self) -> Reach:
        """What the last measurement found of the index's reach."""
        return Reach(self.looked, self.out_of_reach)

    @property
    def age_s(self) -> float:
        """Seconds since the last measurement."""
        return max(0.0, time() - self.measured_at)

    def sentence(self) -> str:
        """The reading for a person."""
        if self.recall is None:
            return "Recall was not measured: comparing everything took too long."
        told = (
            f"Recall of {self.encoder}: {self.recall:.4f} over {sum(self.queries)} searches, "
            f"measured {self.age_s / 60:.0f} minutes ago."
        )
        return told if self.reach.is_good else f"{told} {self.reach.sentence()}"


_READING = TypeAdapter(CanaryReading)


def read_canary(connection: Connection) -> CanaryReading | None:
    """What the canary said last, or None before it did.

    Raises:
        NoteUnreadable: that cannot be read; the next measurement writes it anew.
    """
    return read_note(connection, _NAME, _READING)


def run_canary(
    engine: Engine, interval_s: float, is_stopped: Callable[[], bool] = lambda: False
) -> CanaryReading | None:
    """Measure if the last time is `interval_s` ago and nobody else does; None if nothing was done.

    Raises:
        SQLAlchemyError: the database failed.
    """
    with engine.begin() as connection:
        if not connection.scalar(_TRY_LOCK):
            return None
        before, encoder = _before(connection), find_active(connection)
        if encoder is None or (before is not None and not _is_due(before, encoder, interval_s)):
            return None
        reading = _measure(connection, encoder, before, is_stopped)
        if reading is not None:
            _write(connection, reading)
        return reading


def _before(connection: Connection) -> CanaryReading | None:
    """The last reading; what cannot be read is measured anew, as if it had never been."""
    try:
        return read_canary(connection)
    except NoteUnreadable as error:
        _LOG.warning("%s It is measured anew.", error, extra={"action": "canary.unreadable"})
        return None


def _is_due(before: CanaryReading, encoder: ActiveEncoder, interval_s: float) -> bool:
    if before.encoder != encoder.name:
        return True
    return before.age_s >= pause_s(before, interval_s)


def pause_s(reading: CanaryReading, interval_s: float) -> float:
    """Seconds from a reading to the next measurement, of which the interval is wished for."""
    return max(interval_s, reading.seconds / _SHARE)


def _measure(
    connection: Connection,
    encoder: ActiveEncoder,
    before: CanaryReading | None,
    is_stopped: Callable[[], bool],
) -> CanaryReading | None:
    """A reading with this measurement in it; None where there was nothing to search, or no time."""
    lost, queries = tuple[int, ...](), tuple[int, ...]()
    if before is not None and before.encoder == encoder.name:
        lost, queries = before.lost, before.queries
    started = monotonic()
    try:
        with _patience(connection):
            found = measure_recall(connection, encoder, _QUERIES, lambda: not is_stopped())
    except TimeoutError:
        return CanaryReading(encoder.name, time(), monotonic() - started, None, None, lost, queries)
    if found is None or is_stopped():
        return None
    reach = _reach(connection, encoder)
    lost = (*lost, found.lost)[-_WINDOW:]
    queries = (*queries, found.queries)[-_WINDOW:]
    recall = 1 - sum(lost) / (K * sum(queries))
    last = 1 - found.lost / (K * found.queries)
    took = monotonic() - started
    figures = (recall, last, lost, queries, reach.looked, reach.lost)
    return CanaryReading(encoder.name, time(), took, *figures)


def _reach(connection: Connection, encoder: ActiveEncoder) -> Reach:
    """Of nothing where it takes too long: what is known of recall is told all the same."""
    try:
        with _patience(connection):
            return measure_reach(connection, encoder, _LOOKED)
    except TimeoutError:
        _LOG.warning("what is out of reach was not found in time", extra={"action": "canary.slow"})
        return Reach(0, 0)


@contextmanager
def _patience(connection: Connection) -> Iterator[None]:
    """The transaction goes on whatever becomes of this part of it.

    Raises:
        TimeoutError: a statement took longer than `_PATIENCE_S`.
    """
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{_PATIENCE_S}s'")
            yield
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) != "57014":  # query_canceled
            raise
        raise TimeoutError from error


def _write(connection: Connection, reading: CanaryReading) -> None:
    value = json.dumps(asdict(reading))
    statement = insert(installation).values(name=_NAME, value=value)
    replaced = {"value": statement.excluded.value}
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=replaced))
