"""A connection of the driver's own, for a thread that has better to do while the server works.

For one statement after the other, from one thread. What goes wrong is a `psycopg2.Error`, and then
the connection is good for nothing but `close`.
"""

import select
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE
from sqlalchemy import Engine

_CONNECTING_MS = 5000


class DirectConnection:
    """Connected as an engine's connections are; nothing is in a transaction that does not say so.

    A server that is silent is found out as by them: by its time-outs, or by the system's.
    """

    def __init__(self, engine: Engine) -> None:
        """Connect.

        Raises:
            SQLAlchemyError, psycopg2.Error: the server cannot be reached.
        """
        self._connection = psycopg2.connect(**_parameters(engine), async_=True)
        try:
            # Each address that is tried has a socket of its own, until one has answered.
            while (awaited := self._connection.poll()) != POLL_OK:
                _await(_watching(self._connection.fileno(), awaited), _CONNECTING_MS)
            descriptor = self._connection.fileno()
            self._reading = _watching(descriptor, POLL_READ)
            self._writing = _watching(descriptor, POLL_WRITE)
            self._cursor = self._connection.cursor()
        except BaseException:
            self._connection.close()
            raise

    def send(self, statements: str, parameters: Any = None) -> None:
        """Have the server work; `answer` is to be called before the next."""
        self._cursor.execute(statements, parameters)

    def answer(self) -> None:
        """Wait until what was sent is done."""
        while (awaited := self._connection.poll()) != POLL_OK:
            _await(self._reading if awaited == POLL_READ else self._writing, None)

    def rows(self) -> list[tuple[Any, ...]]:
        """What the last of the statements returned."""
        rows: list[tuple[Any, ...]] = self._cursor.fetchall()
        return rows

    def is_alive(self) -> bool:
        """Whether the server is there, as far as can be told without asking it.

        One that ended has said so, or closed the connection; else nothing comes before a question.
        """
        return not self._reading.poll(0)

    def close(self) -> None:
        """End it, and with it what is not committed."""
        self._connection.close()


def _watching(descriptor: int, awaited: int) -> select.poll:
    watch = select.poll()
    watch.register(descriptor, select.POLLIN if awaited == POLL_READ else select.POLLOUT)
    return watch


def _await(watch: select.poll, milliseconds: int | None) -> None:
    if not watch.poll(milliseconds):
        raise psycopg2.OperationalError("the server does not answer")


def _parameters(engine: Engine) -> dict[str, Any]:
    """How the engine connects, asked of a connection, since it may take a function to do it."""
    pooled = engine.raw_connection()
    try:
        driver: Any = pooled.driver_connection
        password = {"password": driver.info.password} if driver.info.password else {}
        return dict(driver.info.dsn_parameters) | password
    finally:
        pooled.close()
