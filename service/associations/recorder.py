"""Writes the node's record of who came, off its loop: a thread, and one statement a second.

Receiving never waits for it. While the database is away a bounded number of lines waits; beyond it
the oldest are lost to the table, counted, and still in the log.
"""

import logging
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Self

from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from dicom_node.observer import AssociationEvent
from service.associations.pending import PendingRecords
from service.associations.record import AssociationRecord
from service.associations.table import keep_running, write_records

_PAUSE_S = 1.0
_KEEP_RUNNING_S = 30.0
_MOST_WAITING = 10_000
_LOG = logging.getLogger("precuneus.node")


class AssociationRecorder:
    """Takes events from the node's loop and writes them in a thread of its own.

    `count_dropped` is told how many lines will never be in the table.
    """

    def __init__(
        self,
        engine: Engine,
        count_dropped: Callable[[int], None],
        *,
        pause_s: float = _PAUSE_S,
        most_waiting: int = _MOST_WAITING,
        keep_running_s: float = _KEEP_RUNNING_S,
    ) -> None:
        self._engine, self._count_dropped, self._pause_s = engine, count_dropped, pause_s
        self._pending = PendingRecords(most_waiting)
        self._is_away = False
        self._keep_running_s = keep_running_s
        self._kept_running = time.monotonic()
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="association-recorder")

    def association(self, event: AssociationEvent) -> None:
        """As `NodeObserver` says."""
        self._pending.add(event)

    def __enter__(self) -> Self:
        """Write, until the end of the block."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Write what still waits, and end; the node must have ended before."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._pause_s):
            self._write()
        self._write()

    def _write(self) -> None:
        records = self._pending.take()
        running = self._pending.running() if self._is_due() else []
        if records or running:
            try:
                with self._engine.begin() as connection:
                    keep_running(connection, running)
                    write_records(connection, records)
            except (DataError, IntegrityError) as error:
                self._drop(len(records), f"the database refused them ({type(error).__name__})")
            except SQLAlchemyError as error:
                self._pending.put_back(records)
                self._tell_away(error)
            else:
                self._tell_back(records)
        dropped = self._pending.take_dropped()
        if dropped:
            self._drop(dropped, "the database is away, and too many wait")

    def _is_due(self) -> bool:
        """Whether running associations are to be kept from looking abandoned."""
        now = time.monotonic()
        if now - self._kept_running < self._keep_running_s:
            return False
        self._kept_running = now
        return True

    def _drop(self, count: int, why: str) -> None:
        self._count_dropped(count)
        fields = {"action": "associations.dropped", "records": count}
        _LOG.warning("records of associations are lost: %s", why, extra=fields)

    def _tell_away(self, error: SQLAlchemyError) -> None:
        if not self._is_away:
            fields = {"action": "associations.waiting", "error": type(error).__name__}
            _LOG.warning("the record of associations waits for the database", extra=fields)
        self._is_away = True

    def _tell_back(self, records: list[AssociationRecord]) -> None:
        if self._is_away:
            fields = {"action": "associations.written", "records": len(records)}
            _LOG.info("the record of associations is written again", extra=fields)
        self._is_away = False
