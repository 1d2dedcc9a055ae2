"""Builds a filled partition's index beside everything else, by one process at a time.

A build that broke off leaves an invalid index, which is dropped and built again. One that is valid
is never dropped, since its encoder may be activated at any time; further builds replace it when
they are done. The session that builds ends with the build, and soon after the process that asked
for it.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from service.encoders.partitions import IndexState, create_index, index_name, index_state
from service.encoders.reach import MOST_BUILDS, reach_of_build
from service.encoders.registry import ActiveEncoder
from service.settings import Settings
from service.tuning.index_build import prepare_session
from service.verifying.indexes import drop_broken

# Half way down: a build on a busy machine should still come to an end.
_LOW_PRIORITY = 10
_LOG = logging.getLogger("precuneus.worker")


@contextmanager
def sole_builder(engine: Engine) -> Iterator[Connection | None]:
    """A session outside transactions that no other process has besides; None where one has."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        try:
            is_ours = connection.scalar(
                text("SELECT pg_try_advisory_lock(hashtext('precuneus index builder'))")
            )
            yield connection if is_ours else None
        finally:
            # The server may take a moment to end a session that was closed, and with it the lock.
            with suppress(SQLAlchemyError):
                connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
            # Its settings and priority must not come back to the pool.
            connection.invalidate()


def build_index(
    connection: Connection,
    encoder: ActiveEncoder,
    settings: Settings,
    *,
    is_checked: bool = False,
    is_wanted: Callable[[], bool] = lambda: True,
) -> int:
    """Build the encoder's index unless it is there and valid; on a session of `sole_builder`.

    One that leaves slices out of reach is built again, since its levels are drawn by lot, as long
    as that `is_wanted`; the last of `MOST_BUILDS` stays, however it is. A valid one of which nobody
    knows that yet (`is_checked`) counts as the first. Says how often it was built.

    Raises:
        SQLAlchemyError: the server is away, or has too little memory or room.
    """
    state = index_state(connection, encoder.encoder_id)
    if state == "valid" and is_checked:
        return 0
    _prepare(connection, encoder, settings)
    drop_broken(connection, encoder)
    builds = 0
    if state != "valid":
        drop = f"DROP INDEX CONCURRENTLY IF EXISTS {index_name(encoder.encoder_id)}"
        connection.exec_driver_sql(drop)
        _tell_of_build(encoder, state)
        create_index(connection, encoder.encoder_id, encoder.dimension, concurrently=True)
        builds = 1
    left = MOST_BUILDS - 1
    while not reach_of_build(connection.engine, encoder, _LOG).is_good and left and is_wanted():
        if not _rebuild(connection, encoder):
            break
        builds, left = builds + 1, left - 1
    return builds


def _rebuild(connection: Connection, encoder: ActiveEncoder) -> bool:
    """Build a valid index anew, which serves until then; whether that could be done."""
    _tell_of_build(encoder, "valid")
    try:
        connection.exec_driver_sql(f"REINDEX INDEX CONCURRENTLY {index_name(encoder.encoder_id)}")
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        # There may be no room for two; with the one that is there some searches are slow.
        fields = {"action": "index.kept", "error": type(error).__name__}
        _LOG.warning("the index stays as it is", extra=fields | {"encoder": encoder.name})
        drop_broken(connection, encoder)
        return False
    return True


def _tell_of_build(encoder: ActiveEncoder, before: IndexState) -> None:
    fields = {"action": "index.build", "encoder": encoder.name, "after": before}
    _LOG.info("building the index", extra=fields)


def _prepare(connection: Connection, encoder: ActiveEncoder, settings: Settings) -> None:
    connection.exec_driver_sql("SET statement_timeout = 0; SET lock_timeout = 0")
    prepare_session(connection, encoder, settings, settings.reindex.index_processes)
    try:
        # A builder that was killed would otherwise leave the server building for nobody.
        connection.exec_driver_sql("SET client_connection_check_interval = '2s'")
    except DBAPIError as error:
        fields = {"action": "index.unwatched", "error": type(error).__name__}
        _LOG.info("the server's system cannot watch the connection", extra=fields)
    if settings.has_embedded_database:
        _lower_priority(connection)


def _lower_priority(connection: Connection) -> None:
    """Let searches have the processor first; PostgreSQL has no throttle of its own for builds."""
    pid = connection.scalar(text("SELECT pg_backend_pid()"))
    try:
        psutil.Process(pid).nice(_LOW_PRIORITY)
    except psutil.Error as error:
        fields = {"action": "index.priority", "error": type(error).__name__}
        _LOG.info("the index is built at the usual priority", extra=fields)
