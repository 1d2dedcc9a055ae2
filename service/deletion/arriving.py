"""What an object's arrival means beside its registration: it may be gone already, or a note.

Called for every new instance, in the transaction that registers it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select, text, update

from dicom_node.errors import CannotUnderstand, OutOfResources, RefusedByRule
from dicom_node.receive import ReceivedObject
from dicom_node.rejection import KEY_OBJECT_SELECTION, REJECTIONS, read_rejection_note
from service.db.node_tables import tombstone
from service.db.tables import instance
from service.deletion.rejecting import (
    QUALITY,
    apply_rejection_note,
    hide_instances,
    may_reject,
)

SENT_AGAIN = "sent again after deletion"
_LOG = logging.getLogger("precuneus.node")


@dataclass(frozen=True)
class Grave:
    """What the tombstones of one instance say together."""

    refuse: bool
    hidden: bool

    @property
    def refusal(self) -> RefusedByRule | None:
        """Why the instance is not to be registered again; None where it is."""
        if not self.refuse:
            return None
        return RefusedByRule("the object was rejected or deleted, and is not to come again")


def graves_of(connection: Connection, sop_instance_uids: Sequence[str]) -> dict[str, Grave]:
    """The instances among these that were deleted or rejected before; one look-up for all."""
    columns = (
        tombstone.c.sop_instance_uid,
        func.bool_or(tombstone.c.refuse),
        func.bool_or(tombstone.c.cause == QUALITY),
    )
    rows = connection.execute(
        select(*columns)
        .where(tombstone.c.sop_instance_uid.in_(list(sop_instance_uids)))
        .group_by(tombstone.c.sop_instance_uid)
    )
    return {uid: Grave(refuse, hidden) for uid, refuse, hidden in rows}


def settle_arrival(
    connection: Connection, received: ReceivedObject, path: Path, grave: Grave | None
) -> None:
    """Do what a new instance demands beside its rows, of which its job is one.

    Costs nothing but for an instance with a grave and for Key Object Selection documents.

    Args:
        connection: in the transaction that has just written the instance and its job.
        received: the object.
        path: where its file lies, whole.
        grave: what `graves_of` said of it, without a refusal.

    Raises:
        OutOfResources: a note cannot be read from the disk.
    """
    if grave is not None:
        _mark_sent_again(connection, received.header.sop_instance_uid)
        if grave.hidden:
            _hide(connection, received.header.sop_instance_uid)
    if received.header.sop_class_uid == KEY_OBJECT_SELECTION:
        _apply_if_note(connection, received, path)


def _mark_sent_again(connection: Connection, uid: str) -> None:
    connection.execute(
        update(tombstone)
        .where(tombstone.c.sop_instance_uid == uid)
        .values(sent_again_at=func.coalesce(tombstone.c.sent_again_at, func.now()))
    )
    connection.execute(
        text(
            "UPDATE instance SET flags = flags || CAST(:flag AS text) WHERE sop_instance_uid = :uid"
        ),
        {"flag": SENT_AGAIN, "uid": uid},
    )


def _hide(connection: Connection, uid: str) -> None:
    found = select(instance.c.instance_id).where(instance.c.sop_instance_uid == uid)
    hide_instances(connection, list(connection.scalars(found)), REJECTIONS[QUALITY])


def _apply_if_note(connection: Connection, received: ReceivedObject, path: Path) -> None:
    """A document is read only for those whose notes count: reading costs, and anybody may send."""
    fields = {"action": "rejection.unreadable", "calling_ae_title": received.source}
    if not may_reject(connection, received.source):
        _LOG.warning(
            "a Key Object Selection document of an unknown peer: it rejects nothing",
            extra=fields | {"action": "rejection.ignored"},
        )
        return
    try:
        note = read_rejection_note(path)
    except CannotUnderstand as error:
        _LOG.warning("%s", error, extra=fields)
        return
    except OSError as error:
        kind = type(error).__name__
        raise OutOfResources(f"the document cannot be read again ({kind})") from None
    if note is not None:
        apply_rejection_note(connection, note, received.source)
