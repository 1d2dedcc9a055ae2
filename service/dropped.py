"""Objects that a rule dropped: acknowledged and not kept, of which a small row tells.

In the caller's transaction. Such an object has no file and no row in `instance`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, text

from dicom_node.receive import ReceivedObject
from service.admission.rules import ObjectFacts
from service.db.node_tables import dropped_object
from service.errors import InstanceUnknown, NotSearchable, ServiceError

# In the order of their UIDs, so that two processes do not wait for each other in a circle.
_NOTE = text("""
    INSERT INTO dropped_object AS known (
        sop_instance_uid, sop_class_uid, series_instance_uid, study_instance_uid, modality,
        body_part_examined, image_type, source, reason)
    SELECT * FROM jsonb_to_recordset(CAST(:objects AS jsonb)) AS r(
        sop_instance_uid text, sop_class_uid text, series_instance_uid text,
        study_instance_uid text, modality text, body_part_examined text, image_type text[],
        source text, reason text)
    ORDER BY sop_instance_uid
    ON CONFLICT (sop_instance_uid) DO UPDATE SET
        times = known.times + 1, last_received_at = now(),
        source = EXCLUDED.source, reason = EXCLUDED.reason
    RETURNING sop_instance_uid, times
""")


@dataclass(frozen=True)
class DroppedObject:
    """What is known of an object that was dropped; `times` it was received, `source` lastly."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    modality: str
    body_part_examined: str | None
    image_type: list[str]
    source: str
    reason: str
    times: int
    received_at: datetime
    last_received_at: datetime


def note_dropped(
    connection: Connection, group: Sequence[ReceivedObject], reasons: Mapping[str, str]
) -> set[str]:
    """Remember that objects of different UIDs were dropped; those dropped for the first time.

    `reasons` say why, by file name.
    """
    rows = [_row(received, reasons[received.file.name]) for received in group]
    found = connection.execute(_NOTE, {"objects": json.dumps(rows)})
    return {row.sop_instance_uid for row in found if row.times == 1}


def _row(received: ReceivedObject, reason: str) -> dict[str, object]:
    header, facts = received.header, ObjectFacts.of(received.header, received.source)
    return {
        "sop_instance_uid": header.sop_instance_uid,
        "sop_class_uid": facts.sop_class_uid,
        "series_instance_uid": header.series_instance_uid,
        "study_instance_uid": header.study_instance_uid,
        "modality": facts.modality,
        "body_part_examined": facts.body_part,
        "image_type": facts.image_type,
        "source": facts.calling_ae_title,
        "reason": reason,
    }


def forget_dropped(connection: Connection, sop_instance_uids: Sequence[str]) -> None:
    """Objects are here now, or are to be asked for again."""
    if sop_instance_uids:
        gone = dropped_object.c.sop_instance_uid.in_(sop_instance_uids)
        connection.execute(delete(dropped_object).where(gone))


def find_dropped(connection: Connection, sop_instance_uid: str) -> DroppedObject | None:
    """What is known of an object if it was dropped."""
    columns = [dropped_object.c[name] for name in DroppedObject.__annotations__]
    row = connection.execute(
        select(*columns).where(dropped_object.c.sop_instance_uid == sop_instance_uid)
    ).one_or_none()
    return None if row is None else DroppedObject(**row._mapping)


def why_absent(connection: Connection, sop_instance_uid: str) -> ServiceError:
    """The error for an instance without a row: it was dropped, or it is unknown."""
    dropped = find_dropped(connection, sop_instance_uid)
    if dropped is None:
        return InstanceUnknown(f"The gallery holds no instance {sop_instance_uid}.")
    return NotSearchable(f"{sop_instance_uid} was received and not kept: {dropped.reason}")
