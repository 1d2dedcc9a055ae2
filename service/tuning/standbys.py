"""What the doctor says about the standbys that are to answer searches."""

from collections.abc import Iterator

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from service.db.engine import make_replica_engines
from service.errors import ServiceError
from service.finding import Finding
from service.settings import DatabaseSettings

_POSITION = text("SELECT pg_current_wal_lsn() - '0/0'")
_REPLAYED = text("SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn() - '0/0'")


def examine_standbys(primary: Engine, database: DatabaseSettings) -> Iterator[Finding]:
    """Whether each standby answers, is one, and how far it is behind."""
    if not database.replica_urls:
        return
    try:
        engines = make_replica_engines(database)
    except ServiceError as error:
        yield Finding("standbys", "wrong", "the API cannot start", str(error))
        return
    for engine in engines:
        yield _examine(primary, engine, f"standby {engine.url.host}:{engine.url.port}")
        engine.dispose()


def _examine(primary: Engine, standby: Engine, subject: str) -> Finding:
    try:
        with primary.connect() as connection:
            written = connection.scalar(_POSITION)
        with standby.connect() as connection:
            is_standby, replayed = connection.execute(_REPLAYED).one()
    except SQLAlchemyError as error:
        remedy = "Is it up? Searches go to the primary meanwhile."
        return Finding(subject, "note", type(error).__name__, remedy)
    if not is_standby or replayed is None:
        remedy = "Name standbys of this database alone: this one answers no searches."
        return Finding(subject, "wrong", "it is not a standby", remedy)
    behind = max(0, int(written or 0) - int(replayed))
    return Finding(subject, "ok", f"{behind:,} bytes of the log behind the primary")
