"""Writes the rows of many objects at once, in the caller's transaction.

One statement (`service.registering_statement`) for all that are new in a known series, which is
nearly always all; the rest, and only the rest, costs more. No torch here.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as insert_or_skip

from dicom_node.errors import OutOfResources
from dicom_node.files import ObjectStore
from dicom_node.header import Header
from dicom_node.receive import Outcome, ReceivedObject, Registration
from dicom_node.rejection import KEY_OBJECT_SELECTION
from service.admission.rules import NO_MODALITY
from service.db.tables import instance, series, study
from service.deletion.arriving import Grave, graves_of, settle_arrival
from service.dropped import forget_dropped
from service.patients import PatientKeyer
from service.registering_again import register_again
from service.registering_statement import INSERT

_TRIES = 2


def register_objects(
    connection: Connection,
    group: Sequence[ReceivedObject],
    keyer: PatientKeyer,
    store: ObjectStore,
    on_disk: Callable[[], None] = lambda: None,
    statement: str = INSERT,
    reasons: Mapping[str, str] = MappingProxyType({}),
) -> list[Outcome]:
    """Write the rows of a group; what became of each, in their order.

    Of several objects with one SOP Instance UID the first in the group comes first. What was
    deleted or rejected and is not to come again is an error and no row. `on_disk` is called before
    any file is looked for. `statement` is INSERT, or EXECUTE where PREPARE was run. `reasons`
    say by file name which objects are stored only, and why; all others are queued.

    Raises:
        OutOfResources: a rejection note of the group cannot be read from the disk, or a study is
            deleted at the same time.
    """
    stored = _insert(connection, statement, [facts_of(r, keyer, reasons) for r in _firsts(group)])
    rest = [received for received in group if received.file.name not in stored]
    graves: dict[str, Grave] = {}
    if rest:
        on_disk()
        graves = graves_of(connection, [_uid(received) for received in rest])
        allowed = [r for r in rest if not (_uid(r) in graves and graves[_uid(r)].refuse)]
        unknown = _firsts(_unknown(connection, allowed))
        if unknown:
            _make_series(connection, [received.header for received in unknown])
            facts = [
                facts_of(received, keyer, reasons, despite_tombstone=_uid(received) in graves)
                for received in unknown
            ]
            stored |= _insert(connection, statement, facts)
    outcomes = [_outcome(connection, r, store, stored, graves.get(_uid(r))) for r in group]
    new = [received for received in group if received.file.name in stored]
    _settle(connection, new, store, graves, on_disk)
    return outcomes


def _outcome(
    connection: Connection,
    received: ReceivedObject,
    store: ObjectStore,
    stored: set[str],
    grave: Grave | None,
) -> Outcome:
    if received.file.name in stored:
        return Registration.STORED
    if grave is not None and grave.refusal is not None:
        return grave.refusal
    return register_again(connection, received, store)


def _settle(
    connection: Connection,
    new: Sequence[ReceivedObject],
    store: ObjectStore,
    graves: Mapping[str, Grave],
    on_disk: Callable[[], None],
) -> None:
    """Do what new instances demand beside their rows, after all rows of the group are written.

    A note may be about another object of the same group.
    """
    for received in new:
        grave = graves.get(_uid(received))
        if grave is not None or received.header.sop_class_uid == KEY_OBJECT_SELECTION:
            on_disk()
            settle_arrival(connection, received, store.path(received.file.name), grave)


def _insert(
    connection: Connection, statement: str, facts: Sequence[Mapping[str, object]]
) -> set[str]:
    """Write what is new in a known series; the names of its files."""
    rows = connection.exec_driver_sql(statement, {"objects": json.dumps(facts)}).all()
    forget_dropped(connection, [row.dropped_before for row in rows if row.dropped_before])
    return {row.file_name for row in rows}


def _uid(received: ReceivedObject) -> str:
    return received.header.sop_instance_uid


def _firsts(group: Sequence[ReceivedObject]) -> list[ReceivedObject]:
    """The first object of each SOP Instance UID."""
    firsts: dict[str, ReceivedObject] = {}
    for received in group:
        firsts.setdefault(_uid(received), received)
    return list(firsts.values())


def facts_of(
    received: ReceivedObject,
    keyer: PatientKeyer,
    reasons: Mapping[str, str],
    *,
    despite_tombstone: bool = False,
) -> dict[str, object]:
    """What an instance's row keeps, what finds its series, and whether it may come again."""
    header, file = received.header, received.file
    return {
        "study_instance_uid": header.study_instance_uid,
        "series_instance_uid": header.series_instance_uid,
        "sop_instance_uid": header.sop_instance_uid,
        "sop_class_uid": header.sop_class_uid,
        "transfer_syntax_uid": header.transfer_syntax_uid,
        "patient_key": str(patient_key_of(header, keyer)),
        "patient_sex": header.patient_sex,
        "patient_age_years": header.patient_age_years,
        "image_type": header.image_type,
        "instance_number": header.instance_number,
        "rows": header.rows,
        "columns": header.columns,
        "frames": header.frames,
        "flags": header.flags,
        "file_name": file.name,
        "file_size": file.size,
        "sha256": file.sha256.hex(),
        "source": received.source,
        "reason": reasons.get(file.name),
        "despite_tombstone": despite_tombstone,
    }


def patient_key_of(header: Header, keyer: PatientKeyer) -> UUID:
    """The key of an object's patient."""
    patient_id, issuer = header.patient_id or "", header.issuer_of_patient_id or ""
    return keyer.key(patient_id, issuer, header.study_instance_uid)


def _unknown(connection: Connection, group: Sequence[ReceivedObject]) -> list[ReceivedObject]:
    """Those of a group whose UID has no row: only they may make a series."""
    uids = [_uid(received) for received in group]
    known = set(
        connection.scalars(
            select(instance.c.sop_instance_uid).where(instance.c.sop_instance_uid.in_(uids))
        )
    )
    return [received for received in group if _uid(received) not in known]


def _make_series(connection: Connection, headers: Sequence[Header]) -> None:
    """Make the rows of series that were not there a moment ago, with their studies' if need be.

    In the order of their UIDs, as above.

    Raises:
        OutOfResources: a study is deleted again and again meanwhile.
    """
    study_ids = _make_studies(connection, headers)
    by_series = {
        (study_ids[header.study_instance_uid], header.series_instance_uid): header
        for header in reversed(headers)
    }
    connection.execute(
        insert_or_skip(series).on_conflict_do_nothing(),
        [
            {
                "study_id": study_id,
                "series_instance_uid": uid,
                "modality": by_series[study_id, uid].modality or NO_MODALITY,
                "body_part_examined": by_series[study_id, uid].body_part_examined,
                "manufacturer": by_series[study_id, uid].manufacturer,
                "series_description": by_series[study_id, uid].series_description,
            }
            for study_id, uid in sorted(by_series)
        ],
    )


def _make_studies(connection: Connection, headers: Sequence[Header]) -> dict[str, int]:
    """The `study_id` of each study by its UID; those that are not there are made."""
    by_study = {header.study_instance_uid: header for header in reversed(headers)}
    for _ in range(_TRIES):
        connection.execute(
            insert_or_skip(study).on_conflict_do_nothing(),
            [
                {"study_instance_uid": uid, "study_date": by_study[uid].study_date}
                for uid in sorted(by_study)
            ],
        )
        # A new statement sees what a concurrent process committed meanwhile: a study made, or one
        # that was there when we skipped it, and is deleted.
        rows = connection.execute(
            select(study.c.study_instance_uid, study.c.study_id).where(
                study.c.study_instance_uid.in_(by_study)
            )
        )
        study_ids = {row.study_instance_uid: row.study_id for row in rows}
        if len(study_ids) == len(by_study):
            return study_ids
    raise OutOfResources("the study is being deleted; the object may be sent again")
