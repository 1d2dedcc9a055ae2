"""Applies rejection notes of known peers: what they name is hidden, or deleted, at once.

Rejected for quality means hidden and kept: the images are those of the right patient, and a reader
may still want them. The other reasons mean that they must not be seen, so they are deleted.
"""

import logging

from sqlalchemy import Connection, select, text

from dicom_node.importing import IMPORT_SOURCE
from dicom_node.rejection import REJECTIONS, RejectionNote
from service.db.tables import instance
from service.deletion.deleting import Cause, bury, delete_instances
from service.peers import peer_calling
from service.queue import drop, settle

QUALITY = "113001"
REFUSED_AGAIN = frozenset({"113037", "113038"})
_LOG = logging.getLogger("precuneus.node")


def may_reject(connection: Connection, source: str) -> bool:
    """Whether notes of a calling AE title, or "import", count.

    A peer that is not known could empty the gallery by a note: its notes are kept as documents, and
    nothing else comes of them.
    """
    return source == IMPORT_SOURCE or peer_calling(connection, source) is not None


def apply_rejection_note(connection: Connection, note: RejectionNote, source: str) -> int:
    """Hide or delete what a note names, in the caller's transaction; how many instances it were.

    `source` is the calling AE title that sent the note, or "import"; where it may not reject,
    nothing comes of the note.
    """
    if not may_reject(connection, source):
        return 0
    fields = {"code": note.code, "calling_ae_title": source, "named": len(note.references)}
    named = {reference.sop_instance_uid: reference for reference in note.references}
    here = {
        row.sop_instance_uid: row.instance_id
        for row in connection.execute(
            select(instance.c.instance_id, instance.c.sop_instance_uid).where(
                instance.c.sop_instance_uid.in_(list(named))
            )
        )
    }
    reason = REJECTIONS[note.code]
    cause = Cause(note.code, source, reason, refuse=note.code in REFUSED_AGAIN)
    if note.code == QUALITY:
        hide_instances(connection, list(here.values()), reason)
        bury(connection, named.values(), cause)
    else:
        delete_instances(connection, list(here.values()), cause)
        bury(connection, (r for uid, r in named.items() if uid not in here), cause)
    fields |= {"action": "rejection.applied", "hidden": len(here)}
    _LOG.info("rejection note: %s", reason, extra=fields)
    return len(here)


def hide_instances(connection: Connection, instance_ids: list[int], reason: str) -> None:
    """Keep instances and their files, but out of every search."""
    ids = {"ids": sorted(instance_ids)}
    # A worker that holds a job has written its rows when this returns.
    drop(connection, instance_ids)
    settle(connection, instance_ids, "unsupported", reason)
    # Only now: an encoder that follows holds the instance while it writes rows of it.
    connection.execute(text("DELETE FROM embedding WHERE instance_id = ANY (:ids)"), ids)
