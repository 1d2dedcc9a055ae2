"""Statements that are planned once for each pooled connection, since planning takes long.

For statements that differ little in kind: a connection keeps a bounded number of plans, and what
comes beyond makes it begin anew. The plans hold for any values (`service.db.engine` sees to it).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

import psycopg2
from psycopg2.errors import FeatureNotSupported, InvalidSqlStatementName
from psycopg2.extras import NamedTupleCursor
from sqlalchemy import Connection, CursorResult
from sqlalchemy.exc import DBAPIError

_NAME = re.compile(r"(?<![:\w]):([a-z]\w*)")
_MOST = 32
_KEY = "precuneus prepared"


@dataclass(frozen=True)
class _Statement:
    name: str
    prepare: str
    execute: str
    parameters: tuple[str, ...]


def run_prepared(
    connection: Connection, statement: str, values: Mapping[str, Any], settings: str = ""
) -> CursorResult[Any]:
    """Run a statement with its `:names` bound; `settings` are statements that come just before it.

    They are set whenever it is planned, too. Types of parameters must follow from where they stand.
    """
    parts = _parts(statement)
    with _given_up_with_its_plans(connection):
        _prepare(connection, parts, connection.exec_driver_sql)
        return connection.exec_driver_sql(settings + parts.execute, _bound(parts, values))


def fetch_prepared(
    connection: Connection, statement: str, values: Mapping[str, Any], settings: str = ""
) -> Sequence[Any]:
    """The rows of such a statement, by name; past SQLAlchemy, which takes as long as the server.

    Raises:
        DBAPIError: as SQLAlchemy raises it.
    """
    parts = _parts(statement)
    with _given_up_with_its_plans(connection):
        _prepare(connection, parts, connection.exec_driver_sql)
        return _fetch(connection, settings + parts.execute, _bound(parts, values))


def fetch_alone(
    connection: Connection, statement: str, values: Mapping[str, Any], settings: str
) -> Sequence[Any]:
    """The same in a transaction of its own, to which `settings` are confined, in one message.

    The connection must not be in a transaction, and is in none afterwards.

    Raises:
        DBAPIError: as SQLAlchemy raises it.
    """
    if connection.in_transaction():
        raise ValueError("the connection is in a transaction")
    parts, raw = _parts(statement), connection.connection.driver_connection
    if raw is None:
        raise ValueError("the connection is closed")
    before = raw.autocommit
    raw.autocommit = True  # Without it the driver sends BEGIN by itself, and waits.
    try:
        return _fetch_once_more(connection, parts, settings, _bound(parts, values))
    finally:
        if not raw.closed:
            raw.autocommit = before


def _fetch_once_more(
    connection: Connection, parts: "_Statement", settings: str, bound: dict[str, Any]
) -> Sequence[Any]:
    def send(sql: str) -> object:
        return _fetch(connection, f"{sql}; SELECT", {})

    _prepare(connection, parts, send)
    try:
        return _fetch(connection, settings + parts.execute, bound)
    except DBAPIError as error:
        if not _is_of_no_use(error):
            raise
    send("DEALLOCATE ALL")
    connection.info[_KEY].clear()
    _prepare(connection, parts, send)
    return _fetch(connection, settings + parts.execute, bound)


def _is_of_no_use(error: DBAPIError) -> bool:
    """Whether a plan is to blame that the server forgot, or whose table is another now."""
    return isinstance(error.orig, InvalidSqlStatementName | FeatureNotSupported)


@contextmanager
def _given_up_with_its_plans(connection: Connection) -> Iterator[None]:
    """In a transaction nothing can be tried again, but the next one must not find such a plan."""
    try:
        yield
    except DBAPIError as error:
        if _is_of_no_use(error):
            connection.invalidate(error)
        raise


def _fetch(connection: Connection, sql: str, bound: dict[str, Any]) -> Sequence[Any]:
    with closing(connection.connection.cursor(cursor_factory=NamedTupleCursor)) as cursor:
        try:
            cursor.execute(sql, bound)
            rows: Sequence[Any] = cursor.fetchall()
        except psycopg2.Error as error:
            if is_away := bool(cursor.connection.closed):
                connection.invalidate(error)
            raise DBAPIError.instance(
                sql,
                None,
                error,
                psycopg2.Error,
                hide_parameters=True,
                connection_invalidated=is_away,
                dialect=connection.dialect,
            ) from None
    return rows


def _prepare(connection: Connection, parts: "_Statement", run: Callable[[str], object]) -> None:
    """Have the connection hold the statement's plan."""
    known = connection.info.setdefault(_KEY, set())
    if parts.name in known:
        return
    if len(known) >= _MOST:
        run("DEALLOCATE ALL")
        known.clear()
    run(parts.prepare)
    known.add(parts.name)


def _bound(parts: "_Statement", values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(values[name]) for name in parts.parameters}


@lru_cache(maxsize=256)
def _parts(statement: str) -> _Statement:
    names = tuple(dict.fromkeys(_NAME.findall(statement)))
    numbers = {name: f"${number}" for number, name in enumerate(names, start=1)}
    name = f"precuneus_{sha256(statement.encode()).hexdigest()[:16]}"
    numbered = _NAME.sub(lambda found: numbers[found[1]], statement)
    arguments = ", ".join(f"%({name})s" for name in names)
    execute = f"EXECUTE {name}" + (f" ({arguments})" if names else "")
    return _Statement(name, f"PREPARE {name} AS {numbered}", execute, names)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value
