"""Registers objects as the rules of admission say, in the caller's transaction. No torch here.

The rules decide about what is new. An object whose SOP Instance UID has a row is the same again, or
a rival, whatever they say: what is stored is reconsidered by `service.readmitting` alone.
"""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, select

from dicom_node.files import ObjectStore
from dicom_node.receive import Outcome, ReceivedObject, Registration
from dicom_node.rejection import KEY_OBJECT_SELECTION
from service.admission.rules import AdmissionRules, Decision, ObjectFacts
from service.admission.wording import reason_of
from service.db.tables import instance
from service.deletion.arriving import graves_of, settle_arrival
from service.dropped import note_dropped
from service.patients import PatientKeyer
from service.registering import facts_of, register_objects
from service.registering_again import register_again
from service.registering_statement import INSERT


class Admission:
    """Registers groups of objects by these rules; `statement` as for `register_objects`."""

    def __init__(
        self,
        rules: AdmissionRules,
        keyer: PatientKeyer,
        store: ObjectStore,
        statement: str = INSERT,
    ) -> None:
        self._rules = rules
        self._keyer = keyer
        self._store = store
        self._statement = statement

    def register(
        self,
        connection: Connection,
        group: Sequence[ReceivedObject],
        on_disk: Callable[[], None] = lambda: None,
    ) -> list[Outcome]:
        """Register, or drop, the objects of a group; what became of each, in their order.

        Raises:
            As `register_objects` does.
        """
        decisions, reasons = self._decide(group)
        kept: list[ReceivedObject] = []
        dropped: list[ReceivedObject] = []
        for received, decision in zip(group, decisions, strict=True):
            (dropped if decision.action == "drop" else kept).append(received)
        outcomes: dict[str, Outcome] = {}
        if kept:
            found = register_objects(
                connection, kept, self._keyer, self._store, on_disk, self._statement, reasons
            )
            outcomes |= _by_file(kept, found)
        if dropped:
            on_disk()
            outcomes |= _by_file(dropped, self._drop(connection, dropped, reasons))
        return [outcomes[received.file.name] for received in group]

    def ordinary_facts(self, group: Sequence[ReceivedObject]) -> list[dict[str, object]] | None:
        """What the statement needs to know of a group, where nothing but it is to be done.

        None where a rule drops one, where one comes twice, or where one is a note that demands
        something.
        """
        uids = {received.header.sop_instance_uid for received in group}
        if len(uids) < len(group):
            return None
        if any(received.header.sop_class_uid == KEY_OBJECT_SELECTION for received in group):
            return None
        decisions, reasons = self._decide(group)
        if any(decision.action == "drop" for decision in decisions):
            return None
        return [facts_of(received, self._keyer, reasons) for received in group]

    def _decide(self, group: Sequence[ReceivedObject]) -> tuple[list[Decision], dict[str, str]]:
        """What becomes of each, and by file name why of those that are not admitted."""
        decisions = [self._rules.decide(ObjectFacts.of(r.header, r.source)) for r in group]
        reasons = {
            received.file.name: reason
            for received, decision in zip(group, decisions, strict=True)
            if (reason := reason_of(decision)) is not None
        }
        return decisions, reasons

    def _drop(
        self,
        connection: Connection,
        group: Sequence[ReceivedObject],
        reasons: Mapping[str, str],
    ) -> list[Outcome]:
        """Note what is new, and settle the rest as if no rule dropped it."""
        uids = [received.header.sop_instance_uid for received in group]
        known = set(
            connection.scalars(
                select(instance.c.sop_instance_uid).where(instance.c.sop_instance_uid.in_(uids))
            )
        )
        graves = graves_of(connection, uids)
        outcomes: list[Outcome] = []
        new: dict[str, ReceivedObject] = {}
        for received, uid in zip(group, uids, strict=True):
            refusal = graves[uid].refusal if uid in graves else None
            if uid in known:
                outcomes.append(register_again(connection, received, self._store))
            elif refusal is not None:
                outcomes.append(refusal)
            else:
                new.setdefault(uid, received)
                outcomes.append(Registration.DROPPED)
        if new:
            self._note(connection, new, reasons)
        return outcomes

    def _note(
        self,
        connection: Connection,
        new: Mapping[str, ReceivedObject],
        reasons: Mapping[str, str],
    ) -> None:
        """A rejection note counts although it is dropped, the first time that it comes."""
        for uid in note_dropped(connection, list(new.values()), reasons):
            received = new[uid]
            if received.header.sop_class_uid == KEY_OBJECT_SELECTION:
                path = self._store.path(received.file.name)
                settle_arrival(connection, received, path, None)


def _by_file(group: Sequence[ReceivedObject], outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    return {r.file.name: outcome for r, outcome in zip(group, outcomes, strict=True)}
