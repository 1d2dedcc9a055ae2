"""Ends a reindex whose partition is filled: index, gate, and what the gate found.

One process does it, beside its own work; where that process ends, another begins again.
"""

import logging
import threading
from dataclasses import asdict
from time import monotonic

from sqlalchemy import Connection, Engine, update
from sqlalchemy.exc import SQLAlchemyError

from service.db.reindex_tables import reindex
from service.db.tables import encoder
from service.encoders.registry import change_encoders, find_encoder, get_active
from service.reindex.building import build_index, sole_builder
from service.reindex.gate import Gate, examine
from service.reindex.runs import Run, enter_phase, find_run, is_filled, run_under_way
from service.settings import Settings

_PAUSE_S = 5.0
_LOG = logging.getLogger("precuneus.worker")


class Finisher:
    """Finishes in a thread of its own; a failure is tried again after a pause."""

    def __init__(self, engine: Engine, settings: Settings, pause_s: float = _PAUSE_S) -> None:
        self._engine = engine
        self._settings = settings
        self._pause_s = pause_s
        self._thread: threading.Thread | None = None
        self._not_before = 0.0

    def is_due(self) -> bool:
        """Whether a filled reindex is to be finished and nobody here is at it."""
        if monotonic() < self._not_before or (self._thread and self._thread.is_alive()):
            return False
        with self._engine.connect() as connection:
            run = run_under_way(connection)
            return run is not None and is_filled(connection, run)

    def start(self) -> None:
        """Begin, without waiting; a thread that the process's end does not wait for."""
        self._thread = threading.Thread(target=self._run, name="finisher", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return when nothing is under way."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            finish(self._engine, self._settings)
        except SQLAlchemyError as error:
            fields = {"action": "reindex.fault", "error": type(error).__name__}
            _LOG.warning("the reindex is finished later", extra=fields)
        finally:
            self._not_before = monotonic() + self._pause_s


def finish(engine: Engine, settings: Settings) -> Gate | None:
    """Build the index and go through the gate; None where there is nothing to do, or others do it.

    Raises:
        SQLAlchemyError: the database failed; the run says how, and can be finished later.
    """
    with sole_builder(engine) as connection:
        run = run_under_way(connection) if connection is not None else None
        if connection is None or run is None or not is_filled(connection, run):
            return None
        try:
            return _finish(engine, connection, run, settings)
        except SQLAlchemyError as error:
            _note_fault(engine, run, error)
            raise


def _finish(engine: Engine, builder: Connection, run: Run, settings: Settings) -> Gate | None:
    filled = find_encoder(builder, str(run.encoder_id)).searched
    if not enter_phase(builder, run, "indexing", *_unless(run.filled_at, "filled_at")):
        return None
    build_index(
        builder,
        filled,
        settings,
        is_checked=run.indexed_at is not None,
        is_wanted=lambda: find_run(builder, run.reindex_id).finished_at is None,
    )
    if not enter_phase(builder, run, "checking", *_unless(run.indexed_at, "indexed_at")):
        return None
    # Estimates of an empty table would choose the wrong way through a full one.
    builder.exec_driver_sql(f"ANALYZE {filled.partition}")
    with engine.connect() as connection:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        gate = examine(connection, filled, get_active(connection), settings.reindex)
    _conclude(engine, run, gate)
    fields = {"action": "reindex.finished", "encoder": filled.name, "passed": gate.passed}
    _LOG.info("the reindex is finished", extra=fields)
    return gate


def _unless(done: object, column: str) -> list[str]:
    return [] if done else [column]


def _conclude(engine: Engine, run: Run, gate: Gate) -> None:
    with engine.begin() as connection:
        change_encoders(connection)
        if not enter_phase(connection, run, "passed" if gate.passed else "held", "finished_at"):
            return
        connection.execute(
            update(reindex).where(reindex.c.reindex_id == run.reindex_id).values(gate=asdict(gate))
        )
        connection.execute(
            update(encoder)
            .where(encoder.c.encoder_id == run.encoder_id, encoder.c.state == "filling")
            .values(state="ready" if gate.passed else "held")
        )


def _note_fault(engine: Engine, run: Run, error: SQLAlchemyError) -> None:
    """Leave the kind of fault to be seen; its text may quote values."""
    code = getattr(getattr(error, "orig", None), "pgcode", None)
    fault = f"{type(error).__name__} ({code or 'no answer'})"
    try:
        with engine.begin() as connection:
            connection.execute(
                update(reindex).where(reindex.c.reindex_id == run.reindex_id).values(fault=fault)
            )
    except SQLAlchemyError as lost:
        fields = {"action": "reindex.fault", "error": type(lost).__name__}
        _LOG.warning("the fault is not noted", extra=fields)
