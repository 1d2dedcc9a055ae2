"""The short way into the gallery: ordinary new objects, in two messages to the database.

It knows one case, which is nearly every case: objects that are new, in a series that is known, with
nothing more to do. Whatever else it meets, it writes nothing and leaves to `service.registering`.
No torch here.
"""

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from typing import Any

import psycopg2
from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import SQLAlchemyError

from dicom_node.errors import OutOfResources
from dicom_node.receive import ReceivedObject
from service.admitting import Admission
from service.registering_failures import DatabaseAway, has_waited
from service.registering_statement import PREPARE

_BEGIN_AND_EXECUTE = "BEGIN; EXECUTE precuneus_register (%s)"
_LOG = logging.getLogger("precuneus.node")


class ExpressLane:
    """A connection of the driver's own, for one thread; closed until `open` succeeds.

    SQLAlchemy's part of a statement takes longer than the statement; and BEGIN travels along.
    """

    def __init__(self, engine: Engine, admission: Admission, session: str) -> None:
        """`session` are the settings that the connection begins with."""
        self._engine = engine
        self._admission = admission
        self._session = session
        self._connection: PoolProxiedConnection | None = None

    def open(self) -> None:
        """Connect, unless that is done; where it fails, the long way goes on."""
        if self._connection is not None:
            return
        try:
            self._connection = self._engine.raw_connection()
            driver: Any = self._connection.driver_connection
            self._connection.detach()
            driver.autocommit = True
            with driver.cursor() as cursor:
                cursor.execute(f"{self._session}; {PREPARE}")
        except (SQLAlchemyError, psycopg2.Error) as error:
            fields = {"action": "express.closed", "error": type(error).__name__}
            _LOG.warning("the short way into the gallery stays closed", extra=fields)
            self.close()

    def register(self, group: Sequence[ReceivedObject], on_disk: Callable[[], None]) -> bool:
        """Whether all of a group are registered and committed; if not, nothing of it was written.

        Raises:
            DatabaseAway: it waited in vain, as the long way would; nothing was written.
            OutOfResources: the commit broke off, so that nobody knows.
            what `on_disk` raises, and then nothing was written.
        """
        if self._connection is None:
            return False
        facts = self._admission.ordinary_facts(group)
        if facts is None:
            return False
        try:
            with closing(self._connection.cursor()) as cursor:
                cursor.execute(_BEGIN_AND_EXECUTE, (json.dumps(facts),))
                rows = cursor.fetchall()
                is_complete = len(rows) == len(group) and not any(was for _, was in rows)
                if is_complete:
                    on_disk()
                    _commit(cursor)
                else:
                    cursor.execute("ROLLBACK")
        except psycopg2.Error as error:
            self.close()
            if has_waited(error.pgcode):
                raise DatabaseAway(_reason(error)) from None
            return False
        except BaseException:
            self.close()
            raise
        return is_complete

    def close(self) -> None:
        """Give the connection back, and with it whatever was not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg2.Error):
                connection.close()


def _commit(cursor: Any) -> None:
    """Commit.

    Raises:
        OutOfResources: nobody knows whether it happened.
    """
    try:
        cursor.execute("COMMIT")
    except psycopg2.Error as error:
        raise OutOfResources(_reason(error, "commit, "), outcome_unknown=True) from None


def _reason(error: psycopg2.Error, when: str = "") -> str:
    code = error.pgcode or "no answer"
    return f"the gallery's database did not take the object ({when}{code})"
