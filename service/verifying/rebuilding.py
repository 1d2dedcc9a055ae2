"""Builds an encoder's index anew while searches go on with the old one.

PostgreSQL does it in one command (REINDEX CONCURRENTLY) that leaves an invalid index behind when it
is broken off; those are dropped first, so whatever happened, the command is simply given again.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from service.encoders.partitions import create_index, index_name
from service.encoders.reach import MOST_BUILDS, Reach, reach_of_build
from service.encoders.registry import ActiveEncoder, get_active
from service.errors import Unavailable
from service.settings import Settings
from service.tuning.index_build import prepare_session
from service.verifying.indexes import TableIndex, drop_broken, list_indexes

_LOG = logging.getLogger("precuneus.index")
_LOOK_EVERY_S = 0.5
_PROGRESS = text("""
    SELECT phase, coalesce(blocks_done, 0), coalesce(blocks_total, 0)
    FROM pg_stat_progress_create_index WHERE pid = :pid""")
_TRY_LOCK = text("SELECT pg_try_advisory_lock(hashtext('precuneus index rebuild'))")
_UNLOCK = text("SELECT pg_advisory_unlock(hashtext('precuneus index rebuild'))")

Tell = Callable[[str, int, int], object]


@dataclass(frozen=True)
class Rebuilt:
    """The index that was built, its bytes before and after, and the broken ones dropped.

    It took so many `builds` for what it has in `reach`, by which the last was judged, too.
    """

    index: str
    encoder: str
    seconds: float
    bytes_before: int
    bytes_after: int
    dropped: tuple[str, ...]
    builds: int
    reach: Reach


def rebuild(
    engine: Engine,
    settings: Settings,
    tell: Tell = lambda _phase, _done, _total: None,
    *,
    processes: int | None = None,
) -> Rebuilt:
    """Rebuild the active encoder's index, or make it where there is none.

    Levels of its graph are drawn by lot: one that leaves slices out of reach is built again.

    `tell` hears of PostgreSQL's phase and of its blocks done and in all. `processes` are
    PostgreSQL's helpers beside one; None: as many as there are other cores.

    Raises:
        Unavailable: no encoder is active, or a rebuild is running.
        SQLAlchemyError: the database failed; run it again.
    """
    started = monotonic()
    with _building(engine) as connection:
        encoder = get_active(connection)
        dropped = tuple(drop_broken(connection, encoder))
        before = _index_of(connection, encoder)
        prepare_session(connection, encoder, settings, processes)
        builds, reach = 0, None
        while reach is None or not (reach.is_good or builds == MOST_BUILDS):
            after = _build(engine, connection, encoder, tell)
            tell("looking for slices out of reach", 0, 0)
            reach, builds = reach_of_build(engine, encoder, _LOG), builds + 1
    return Rebuilt(
        after.name,
        encoder.name,
        monotonic() - started,
        before.bytes if before else 0,
        after.bytes,
        dropped,
        builds,
        reach,
    )


def _build(
    engine: Engine, connection: Connection, encoder: ActiveEncoder, tell: Tell
) -> TableIndex:
    before = _index_of(connection, encoder)
    _run(engine, connection, _statement(connection, encoder, before), tell)
    after = _index_of(connection, encoder)
    if after is None or not after.valid:
        raise Unavailable("The index is not whole; run `precuneus index rebuild` again.")
    return after


def _statement(
    connection: Connection, encoder: ActiveEncoder, index: TableIndex | None
) -> Callable[[], object]:
    """What builds the index anew, or for the first time."""
    if index is not None:
        reindex = f"REINDEX INDEX CONCURRENTLY {index.name}"
        return lambda: connection.exec_driver_sql(reindex)
    return lambda: create_index(
        connection, encoder.encoder_id, encoder.dimension, concurrently=True
    )


@contextmanager
def _building(engine: Engine) -> Iterator[Connection]:
    """A session without time limits that nobody else uses afterwards, the only one to rebuild.

    Should this process be killed, the server notices and ends the command, and the lock with it.
    """
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.detach()
        if not connection.scalar(_TRY_LOCK):
            raise Unavailable("A rebuild is running already; wait for its end.")
        for limit in ("statement_timeout", "lock_timeout"):
            connection.exec_driver_sql(f"SET {limit} = 0")
        try:
            connection.exec_driver_sql("SET client_connection_check_interval = '5s'")
        except DBAPIError:
            # A server on a system that cannot do so finishes in any case.
            connection.rollback()
        yield connection
        # The server may take a moment to end a session that was closed, and with it the lock.
        connection.execute(_UNLOCK)


def _index_of(connection: Connection, encoder: ActiveEncoder) -> TableIndex | None:
    """The index that searches use; rebuilding keeps its name."""
    name = index_name(encoder.encoder_id)
    found = [index for index in list_indexes(connection, encoder.partition) if index.name == name]
    return found[0] if found else None


def _run(engine: Engine, connection: Connection, build: Callable[[], object], tell: Tell) -> None:
    """Build and tell how it goes on; break it off when the caller is interrupted."""
    pid = connection.scalar(text("SELECT pg_backend_pid()"))
    with ThreadPoolExecutor(1, thread_name_prefix="rebuild") as executor:
        done = executor.submit(build)
        try:
            while True:
                try:
                    done.result(_LOOK_EVERY_S)
                    return
                except FutureTimeoutError:
                    if done.done():
                        raise
                with engine.connect() as watching:
                    row = watching.execute(_PROGRESS, {"pid": pid}).one_or_none()
                if row is not None:
                    tell(*row)
        except BaseException:
            if not done.done():
                with engine.connect() as watching:
                    watching.execute(text("SELECT pg_cancel_backend(:pid)"), {"pid": pid})
            raise
