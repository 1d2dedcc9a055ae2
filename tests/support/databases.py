"""Databases on the run's PostgreSQL: empty, migrated, or copied from one another."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from psycopg2.errors import InsufficientPrivilege
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from tests.support.waiting import eventually

MIGRATED = "gallery_template"
"""The template that the run's fixtures make; see tests/conftest.py."""

EMPTY = "template1"


def named(url: str, database: str) -> str:
    """`url` for another database of the same server."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def administer(url: str, statement: str) -> None:
    """Run a statement that no transaction may hold, on a connection of its own."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()


@contextmanager
def fresh_database(cluster_url: str, template: str = MIGRATED) -> Iterator[str]:
    """The URL of a new database that is dropped in the end."""
    name = f"gallery_{uuid4().hex}"
    administer(cluster_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield named(cluster_url, name)
    finally:
        drop(cluster_url, name)


def drop(cluster_url: str, name: str) -> None:
    """Drop a database, whoever is connected to it.

    An autovacuum worker belongs to the superuser, so that we may not end it: it ends by itself.
    """

    def is_dropped() -> bool:
        try:
            administer(cluster_url, f"DROP DATABASE {name} WITH (FORCE)")
        except ProgrammingError as error:
            if not isinstance(error.orig, InsufficientPrivilege):
                raise
            return False
        return True

    eventually(is_dropped, f"{name} is dropped")


def end_sessions(cluster_url: str, database_url: str) -> None:
    """End every session on a database, as a server that is killed would."""
    database = make_url(database_url).database
    administer(
        cluster_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{database}' AND backend_type = 'client backend'",
    )


def count_sessions(cluster_url: str, database_url: str) -> int:
    """How many clients a database has."""
    engine = create_engine(cluster_url)
    query = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = :database AND backend_type = 'client backend'"
    )
    try:
        with engine.connect() as connection:
            found = connection.scalar(query, {"database": make_url(database_url).database})
    finally:
        engine.dispose()
    return int(found or 0)


@contextmanager
def away(cluster_url: str, database_url: str) -> Iterator[None]:
    """The database cannot be reached for the time of this context."""
    database = make_url(database_url).database
    administer(cluster_url, f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    end_sessions(cluster_url, database_url)
    try:
        yield
    finally:
        administer(cluster_url, f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
