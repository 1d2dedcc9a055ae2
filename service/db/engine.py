"""Connections to the gallery's PostgreSQL: the embedded server, or one given by URL.

`open_database` is the one way in; whoever holds it keeps the embedded server running.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from service.errors import ConfigurationError
from service.postgres import Cluster, PostgresError
from service.settings import DatabaseSettings, Settings

# A dead or silent server must become an error while the PACS still waits for its reply.
_CONNECTION: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
    "application_name": "precuneus",
    # Prepared statements are planned once; compiling any of ours takes longer than it saves.
    "options": "-c statement_timeout=300000 -c lock_timeout=60000 -c timezone=UTC "
    "-c idle_in_transaction_session_timeout=300000 -c synchronous_commit=on "
    "-c plan_cache_mode=force_generic_plan -c jit=off",
}


def make_engine(settings: Settings, cluster: Cluster | None) -> Engine:
    """An engine on the external server, or on `cluster`, whose port may change at a restart.

    Raises:
        ConfigurationError: the URL is not a PostgreSQL URL, or its file cannot be read.
    """
    pool: dict[str, Any] = {
        "pool_size": settings.database.pool_size,
        "max_overflow": settings.database.pool_size * 2,
        "pool_pre_ping": True,
        "pool_timeout": 10,
        # Parameters are header facts: they belong in no error text.
        "hide_parameters": True,
    }
    if cluster is not None:
        return create_engine("postgresql+psycopg2://", creator=_connector(cluster), **pool)
    return create_engine(external_url(settings.database), connect_args=_CONNECTION, **pool)


def make_replica_engines(database: DatabaseSettings) -> tuple[Engine, ...]:
    """An engine on each standby, in the settings' order; none is connected to yet.

    Raises:
        ConfigurationError: a URL is not a PostgreSQL URL, or the password's file cannot be read.
    """
    # One that is silent must be given up while the client still waits.
    arguments = _CONNECTION | {"connect_timeout": 2, "tcp_user_timeout": 5000}
    pool = {"pool_size": database.pool_size, "pool_timeout": 2, "hide_parameters": True}
    return tuple(
        create_engine(
            _url(database, url.get_secret_value(), "REPLICA_URLS"), connect_args=arguments, **pool
        )
        for url in database.replica_urls
    )


def external_url(database: DatabaseSettings) -> URL:
    """The URL of the hospital's own server, with the password of its file.

    Raises:
        ConfigurationError: it is not a PostgreSQL URL, or the file cannot be read.
    """
    return _url(database, database.url.get_secret_value() if database.url else "", "URL")


def _url(database: DatabaseSettings, given: str, setting: str) -> URL:
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            f"PRECUNEUS_DATABASE__{setting}: give a URL such as "
            "postgresql://user@host:5432/precuneus."
        ) from None
    if database.password_file is not None:
        try:
            url = url.set(password=database.password_file.read_text().strip())
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise ConfigurationError(
                f"PRECUNEUS_DATABASE__PASSWORD_FILE cannot be read: {reason}."
            ) from None
    if url.get_backend_name() != "postgresql":
        raise ConfigurationError(f"PRECUNEUS_DATABASE__{setting} must begin with postgresql://")
    return url.set(drivername="postgresql+psycopg2")


def _connector(cluster: Cluster) -> Callable[[], Any]:
    import psycopg2  # noqa: PLC0415 - the driver loads with the first connection

    def connect() -> Any:
        try:
            dsn = cluster.dsn()
        except PostgresError as error:
            # Callers know one sign of a database that is away.
            raise psycopg2.OperationalError(str(error)) from None
        return psycopg2.connect(dsn, **_CONNECTION)

    return connect


@contextmanager
def open_database(settings: Settings) -> Iterator[Engine]:
    """The gallery's engine; the embedded server runs at least as long as this is held.

    Raises:
        ConfigurationError: the settings name no usable server.
        PostgresError: the embedded server does not start.
    """
    if not settings.has_embedded_database:
        engine = make_engine(settings, None)
        try:
            yield engine
        finally:
            engine.dispose()
        return
    cluster = Cluster(settings.state_dir)
    with cluster.running():
        engine = make_engine(settings, cluster)
        try:
            yield engine
        finally:
            engine.dispose()
