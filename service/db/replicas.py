"""Searches on standbys of the database, where they are recent enough; else on the primary.

A standby may answer when two things are known. It has replayed what the primary had written at most
`maximum_staleness_s` ago: the primary's positions in its log are noted with the time, and compared
with how far the standby is; no clock of another machine is trusted. And it knows every deletion and
every change of the active encoder that the primary knows, however recent: triggers count these
(`search_change`), and a standby shows the transactions of the primary in the order of their
commits, so that an equal count means the same changes. What was deleted is therefore gone from the
very next search. Each search asks the primary these two numbers, which costs a small fraction of
what it takes off it.

No search fails for a standby's sake: whatever goes wrong there is asked of the primary again.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from threading import Lock
from time import monotonic
from typing import TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from service.errors import ServiceError

_LOG = logging.getLogger("precuneus.replicas")
_AWAY_S = 5.0
_NOTE_EVERY_S = 0.1
_CHANGES = "(SELECT coalesce(sum(times), 0) FROM search_change)"
_PRIMARY = text(f"SELECT pg_current_wal_lsn() - '0/0', {_CHANGES}")
# A server that is no standby (any more) has no position: it may have parted from the primary.
_STANDBY = text(f"SELECT pg_last_wal_replay_lsn() - '0/0', {_CHANGES} WHERE pg_is_in_recovery()")

Found = TypeVar("Found")


@dataclass
class _Standby:
    """A standby; it is not asked before `away_until`, after it failed."""

    name: str
    engine: Engine
    away_until: float = 0.0


@dataclass(frozen=True)
class _Demand:
    """What a standby must have replayed: changes, and a position in the primary's log."""

    changes: int
    position: int


class Readers:
    """Runs searches on the standbys in turn, or on the primary; safe for many threads."""

    def __init__(
        self, primary: Engine, standbys: Sequence[Engine], maximum_staleness_s: float
    ) -> None:
        self._primary = primary
        self._question = primary.execution_options(isolation_level="AUTOCOMMIT")
        self._standbys = [
            _Standby(f"{engine.url.host}:{engine.url.port}", engine) for engine in standbys
        ]
        self._positions = _Positions(maximum_staleness_s)
        self._turn = count()

    def run(self, search: Callable[[Connection], Found]) -> Found:
        """What `search` returns; it is called again on the primary if a standby fails it.

        What a standby refuses (a slice that has just arrived is unknown there) is asked of the
        primary, too: its word counts.

        Raises:
            SQLAlchemyError: the primary failed.
            ServiceError: the primary's answer.
        """
        standby, demand = self._choose()
        if standby is not None and demand is not None:
            try:
                with standby.engine.connect() as connection:
                    if _knows(connection, demand):
                        return search(connection)
            except ServiceError as error:
                _LOG.debug("%s: asked again", error, extra={"action": "replica.refused"})
            except SQLAlchemyError as error:
                self._leave(standby, error)
        with self._primary.connect() as connection:
            return search(connection)

    def close(self) -> None:
        """Close the standbys' connections."""
        for standby in self._standbys:
            standby.engine.dispose()

    def _choose(self) -> tuple[_Standby | None, _Demand | None]:
        """The next standby that is not away, and what it must know."""
        now = monotonic()
        there = [standby for standby in self._standbys if standby.away_until <= now]
        if not there:
            return None, None
        with self._question.connect() as connection:
            position, changes = connection.execute(_PRIMARY).one()
        # Noted with a time before the question: the position cannot be older than that.
        self._positions.note(now, int(position))
        demand = _Demand(int(changes), self._positions.oldest_allowed(monotonic()))
        return there[next(self._turn) % len(there)], demand

    def _leave(self, standby: _Standby, error: SQLAlchemyError) -> None:
        standby.away_until = monotonic() + _AWAY_S
        standby.engine.dispose()
        _LOG.warning(
            "a standby failed a search, which the primary answers",
            extra={
                "action": "replica.away",
                "replica": standby.name,
                "error": type(error).__name__,
            },
        )


def _knows(connection: Connection, demand: _Demand) -> bool:
    """Whether a standby has replayed what is demanded.

    What is seen here, the search sees too: a standby never goes back.
    """
    found = connection.execute(_STANDBY).one_or_none()
    connection.rollback()
    if found is None or found[0] is None:
        return False
    return int(found[0]) >= demand.position and int(found[1]) >= demand.changes


@dataclass
class _Positions:
    """The primary's positions in its log in the last seconds, oldest first."""

    maximum_staleness_s: float
    _noted: deque[tuple[float, int]] = field(default_factory=deque)
    _lock: Lock = field(default_factory=Lock)

    def note(self, at: float, position: int) -> None:
        """Remember a position, unless one was noted a moment ago."""
        with self._lock:
            if not self._noted or at >= self._noted[-1][0] + _NOTE_EVERY_S:
                self._noted.append((at, position))

    def oldest_allowed(self, now: float) -> int:
        """The oldest position that is not too old, which a standby must have reached."""
        with self._lock:
            while len(self._noted) > 1 and self._noted[0][0] < now - self.maximum_staleness_s:
                self._noted.popleft()
            return self._noted[0][1]
