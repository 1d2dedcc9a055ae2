"""Registers stored objects: a transaction whose commit makes them part of the gallery.

Called by the DICOM node and by imports before anything is acknowledged. No torch here.
"""

import logging
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from dicom_node.errors import DicomError, OutOfResources
from dicom_node.files import ObjectStore
from dicom_node.receive import Outcome, ReceivedObject, Registration
from service.admission.rules import AdmissionRules
from service.admitting import Admission
from service.express import ExpressLane, InDoubt
from service.patients import PatientKeyer
from service.registering_failures import DatabaseAway, TryAgain, unavailable
from service.registering_statement import EXECUTE, INSERT, PREPARE

# Statements end while peers still wait. A plan made while the gallery was small and then kept would
# be for scanning it whole.
_SESSION = "SET statement_timeout = '20s'; SET lock_timeout = '10s'; SET enable_seqscan = off"
_LOG = logging.getLogger("precuneus.node")


class GalleryRegistrar:
    """The callback that imports and recovery register with; safe to call from many threads."""

    _statement = INSERT

    def __init__(
        self,
        engine: Engine,
        keyer: PatientKeyer,
        store: ObjectStore,
        rules: AdmissionRules = AdmissionRules(),  # noqa: B008 - frozen
    ) -> None:
        self._engine = engine
        self._admission = Admission(rules, keyer, store, self._statement)

    def __call__(self, received: ReceivedObject) -> Registration:
        """Write study, series, instance and, if the rules admit it, embedding job; and commit.

        Returns:
            STORED for a new instance (or this very file registered before), DUPLICATE for the same
            bytes again, CONFLICT for other bytes under a known SOP Instance UID, DROPPED for what
            a rule does not have kept.

        Raises:
            RefusedByRule: it was deleted or rejected before, and is not to come again.
            OutOfResources: the database refused or is gone. `outcome_unknown` tells that the
                connection broke during the commit, so that the row may exist.
        """
        try:
            connection = self._engine.connect()
        except SQLAlchemyError as error:
            raise unavailable(error) from None
        with connection:
            outcome = self._commit(connection, [received], lambda: None)[0]
        if isinstance(outcome, DicomError):
            raise outcome
        return outcome

    def _commit(
        self, connection: Connection, group: Sequence[ReceivedObject], on_disk: Callable[[], None]
    ) -> list[Outcome]:
        try:
            outcomes = self._admission.register(connection, group, on_disk)
            on_disk()
        except SQLAlchemyError as error:
            raise unavailable(error) from None
        try:
            connection.commit()
        except SQLAlchemyError as error:
            raise unavailable(error, outcome_unknown=True) from None
        return outcomes


class GroupRegistrar(GalleryRegistrar):
    """Registers many objects with one commit; for one thread, which keeps a connection for it.

    A connection from the pool would be asked for a sign of life each time, which takes as long as
    registering.
    """

    _connection: Connection | None = None
    _statement = EXECUTE

    def __init__(
        self,
        engine: Engine,
        keyer: PatientKeyer,
        store: ObjectStore,
        rules: AdmissionRules = AdmissionRules(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(engine, keyer, store, rules)
        self._express = ExpressLane(engine, self._admission, _SESSION)

    def register_group(
        self,
        group: Sequence[ReceivedObject],
        on_disk: Callable[[], None] | None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Sequence[Outcome]:
        """As `dicom_node.receive.RegisterGroup` says.

        Nearly all go the short way; the rest, and all where that is closed, the long one.
        """
        try:
            stored, in_doubt = self._express.register(group, on_disk, meanwhile), False
        except InDoubt:
            stored, in_doubt = frozenset[str](), True
        except DatabaseAway as error:
            return [error] * len(group)
        rest = [received for received in group if received.file.name not in stored]
        if not rest:
            return [Registration.STORED] * len(group)
        outcomes = iter(self._register_rest(rest, on_disk or _nothing))
        found = [
            Registration.STORED if received.file.name in stored else next(outcomes)
            for received in group
        ]
        return [_perhaps(outcome) for outcome in found] if in_doubt else found

    def _register_rest(
        self, group: Sequence[ReceivedObject], on_disk: Callable[[], None]
    ) -> Sequence[Outcome]:
        """Register by the long way.

        A group that an object of it spoils is tried one by one. A database that is locked, slow,
        full or away refuses it as a whole: no object waits for what the first waited for in vain.
        One that broke off is asked once more at most.
        """
        try:
            try:
                return self._attempt(group, on_disk)
            except TryAgain:
                # An idle connection tells only now that the server was started anew.
                return self._attempt(group, on_disk)
        except OutOfResources as error:
            is_all = isinstance(error, DatabaseAway) or error.outcome_unknown or len(group) == 1
            return [error] * len(group) if is_all else self._one_by_one(group, on_disk)

    def _one_by_one(
        self, group: Sequence[ReceivedObject], on_disk: Callable[[], None]
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for received in group:
            try:
                outcomes += self._attempt([received], on_disk)
            except DatabaseAway as error:
                return outcomes + [error] * (len(group) - len(outcomes))
            except OutOfResources as error:
                outcomes.append(error)
        return outcomes

    def _attempt(
        self, group: Sequence[ReceivedObject], on_disk: Callable[[], None]
    ) -> Sequence[Outcome]:
        """One transaction for the group; nothing of it stays when this raises.

        Raises:
            DatabaseAway: the database did not answer, or cannot work, before the commit.
            OutOfResources: it refused an object, or (`outcome_unknown`) broke off during the
                commit.
        """
        try:
            if self._connection is None:
                self._connection = self._connected()
        except SQLAlchemyError as error:
            raise DatabaseAway(str(unavailable(error))) from None
        connection = self._connection
        try:
            outcomes = self._commit(connection, group, on_disk)
        except BaseException:
            self._give_up(connection)
            raise
        self._express.open()
        return outcomes

    def _connected(self) -> Connection:
        """A connection outside the pool, with its own settings and its plan."""
        connection = self._engine.connect()
        try:
            connection.detach()
            connection.exec_driver_sql(_SESSION)
            connection.exec_driver_sql(PREPARE)
            connection.commit()
        except BaseException:
            self._give_up(connection)
            raise
        return connection

    def close(self) -> None:
        """Give the connections back; after the last group."""
        self._express.close()
        if self._connection is not None:
            self._give_up(self._connection)

    def _give_up(self, connection: Connection) -> None:
        """Roll back, and begin the next attempt on a connection that is known to live."""
        self._connection = None
        try:
            connection.close()
        except SQLAlchemyError as error:
            # What went wrong before it is what counts; the server rolls back by itself.
            fields = {"action": "registrar.connection_lost", "error": type(error).__name__}
            _LOG.warning("a connection of the registrar ended by itself", extra=fields)
            if not connection.closed:
                connection.invalidate()


def _nothing() -> None:
    """The files are on disk."""


def _perhaps(outcome: Outcome) -> Outcome:
    """What the long way says after the short one broke off: a failure leaves the doubt."""
    if isinstance(outcome, OutOfResources):
        return OutOfResources(str(outcome), outcome_unknown=True)
    return outcome
