"""Builds a filled partition's index beside everything else, by one process at a time.

A build that broke off leaves an invalid index, which is dropped and built again. The session that
builds ends with the build, and soon after the process that asked for it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from service.encoders.partitions import create_index, index_name, index_state
from service.encoders.reach import MOST_BUILDS, measure_reach
from service.encoders.registry import ActiveEncoder
from service.settings import Settings
from service.tuning.index_build import prepare_session

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
            # Its lock, settings and priority must not come back to the pool.
            connection.invalidate()


def build_index(connection: Connection, encoder: ActiveEncoder, settings: Settings) -> None:
    """Build the encoder's index unless it is there and valid; on a session of `sole_builder`.

    One that leaves slices out of reach is built again, since its levels are drawn by lot; the last
    of `MOST_BUILDS` stays, however it is.

    Raises:
        SQLAlchemyError: the server is away, or has too little memory or room.
    """
    state = index_state(connection, encoder.encoder_id)
    if state == "valid":
        return
    _prepare(connection, encoder, settings)
    drop = f"DROP INDEX CONCURRENTLY IF EXISTS {index_name(encoder.encoder_id)}"
    for number in range(1, MOST_BUILDS + 1):
        connection.exec_driver_sql(drop)
        fields = {"action": "index.build", "encoder": encoder.name, "after": state}
        _LOG.info("building the index", extra=fields | {"build": number})
        create_index(connection, encoder.encoder_id, encoder.dimension, concurrently=True)
        with connection.engine.connect() as measuring:
            measuring.exec_driver_sql("SET LOCAL statement_timeout = 0")
            reach = measure_reach(measuring, encoder)
        if reach.is_good:
            return
        told = {"action": "index.reach", "encoder": encoder.name, "build": number}
        _LOG.warning("%s", reach.sentence(), extra=told | {"lost": reach.lost})


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
