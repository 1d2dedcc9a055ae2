"""The short way into the gallery: ordinary new objects, in one message to the database, or two.

It knows one case, which is nearly every case: objects that are new, in a series that is known, with
nothing more to do. Whatever else it meets it leaves to `service.registering`. No torch here.
"""

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

import psycopg2
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from dicom_node.receive import ReceivedObject
from service.admitting import Admission
from service.db.direct import DirectConnection
from service.registering_failures import DatabaseAway, has_waited
from service.registering_statement import PREPARE

_BEGIN = "BEGIN; "
_EXECUTE = "EXECUTE precuneus_register (%s)"
_FORGET = "DELETE FROM dropped_object WHERE sop_instance_uid = ANY (%s)"
_LOG = logging.getLogger("precuneus.node")


class InDoubt(Exception):
    """The connection broke, and with it the answer to whether the group was committed."""


class ExpressLane:
    """A connection of the driver's own, for one thread; closed until `open` succeeds.

    SQLAlchemy's part of a statement takes longer than the statement; and BEGIN travels along.
    """

    def __init__(self, engine: Engine, admission: Admission, session: str) -> None:
        """`session` are the settings that the connection begins with."""
        self._engine = engine
        self._admission = admission
        self._session = session
        self._connection: DirectConnection | None = None

    def open(self) -> None:
        """Connect, unless that is done; where it fails, the long way goes on."""
        if self._connection is not None:
            return
        try:
            self._connection = DirectConnection(self._engine)
            self._connection.send(f"{self._session}; {PREPARE}")
            self._connection.answer()
        except (SQLAlchemyError, psycopg2.Error) as error:
            fields = {"action": "express.closed", "error": type(error).__name__}
            _LOG.warning("the short way into the gallery stays closed", extra=fields)
            self.close()

    def register(
        self,
        group: Sequence[ReceivedObject],
        on_disk: Callable[[], None] | None,
        meanwhile: Callable[[], None] | None = None,
    ) -> frozenset[str]:
        """Register and commit those of a group that are ordinary; the names of their files.

        In one message where the files are on disk already, else in two: `on_disk` waits for the
        disk while the server writes the rows, `meanwhile` does something else while it commits.

        Raises:
            DatabaseAway: it waited in vain, as the long way would; nothing was written.
            InDoubt: the connection broke. The long way finds what was written, and keeps it.
            what `on_disk` raises, and then nothing was written.
        """
        connection = self._living()
        if connection is None or (facts := self._admission.ordinary_facts(group)) is None:
            return frozenset()
        is_committing = on_disk is None
        try:
            connection.send(("" if on_disk is None else _BEGIN) + _EXECUTE, (json.dumps(facts),))
            if on_disk is not None:
                on_disk()
                connection.answer()
                rows = connection.rows()
                is_committing = True
                connection.send("COMMIT")
            if meanwhile is not None:
                meanwhile()
            connection.answer()
            if on_disk is None:
                rows = connection.rows()
        except BaseException as error:
            self.close()
            if not isinstance(error, psycopg2.Error):
                raise
            return _unregistered(error, is_committing=is_committing)
        self._forget([uid for _, uid in rows if uid is not None])
        return frozenset(name for name, _ in rows)

    def _forget(self, dropped_before: Sequence[str]) -> None:
        """Forget that some were dropped before.

        They are committed, so that nothing is refused where this fails: the note stays, until
        `service.readmitting` finds that it is no longer true.
        """
        if not dropped_before or self._connection is None:
            return
        try:
            self._connection.send(_FORGET, (list(dropped_before),))
            self._connection.answer()
        except psycopg2.Error as error:
            fields = {"action": "express.not_forgotten", "error": type(error).__name__}
            _LOG.warning("objects are noted as dropped although they are here", extra=fields)
            self.close()

    def _living(self) -> DirectConnection | None:
        if self._connection is not None and not self._connection.is_alive():
            self.close()
        return self._connection

    def close(self) -> None:
        """End the connection, and with it whatever was not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg2.Error):
                connection.close()


def _unregistered(error: psycopg2.Error, *, is_committing: bool) -> frozenset[str]:
    """That none of the group is registered, if that is sure and the long way may try."""
    if has_waited(error.pgcode):
        raise DatabaseAway(_reason(error)) from None
    if is_committing and _leaves_doubt(error.pgcode):
        raise InDoubt from None
    return frozenset()


def _leaves_doubt(pgcode: str | None) -> bool:
    """Whether the server ended, or did not live to say what became of the statement."""
    return pgcode is None or pgcode.startswith(("08", "57P"))


def _reason(error: psycopg2.Error) -> str:
    code = error.pgcode or "no answer"
    return f"the gallery's database did not take the object ({code})"
