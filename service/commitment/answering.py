"""Looks at what is really stored: the row, and the file with the size that the row says."""

from collections.abc import Iterator

from sqlalchemy import Connection, select

from dicom_node.commitment import (
    CommitmentRequest,
    CommitmentResult,
    ReferencedObject,
)
from dicom_node.files import ObjectStore
from dicom_node.statuses import FailureReason
from service.db.tables import instance

_BATCH = 5000


def answer(
    connection: Connection, store: ObjectStore, request: CommitmentRequest
) -> CommitmentResult:
    """Which of the objects are stored.

    One that is not, or whose file is gone, is 0x0112; one of another SOP class is 0x0119; one whose
    file has another size is 0x0110.

    Raises:
        OSError: the disk does not answer.
        SQLAlchemyError: the database does not.
    """
    committed: list[ReferencedObject] = []
    failed: list[tuple[ReferencedObject, FailureReason]] = []
    for reference, reason in _examined(connection, store, request.references):
        if reason is None:
            committed.append(reference)
        else:
            failed.append((reference, reason))
    return CommitmentResult(request.transaction_uid, tuple(committed), tuple(failed))


def _examined(
    connection: Connection, store: ObjectStore, references: tuple[ReferencedObject, ...]
) -> Iterator[tuple[ReferencedObject, FailureReason | None]]:
    columns = (instance.c.sop_class_uid, instance.c.file_name, instance.c.file_size)
    for start in range(0, len(references), _BATCH):
        batch = references[start : start + _BATCH]
        rows = connection.execute(
            select(instance.c.sop_instance_uid, *columns).where(
                instance.c.sop_instance_uid.in_([r.sop_instance_uid for r in batch])
            )
        )
        known = {row.sop_instance_uid: row for row in rows}
        for reference in batch:
            row = known.get(reference.sop_instance_uid)
            if row is None:
                yield reference, FailureReason.NO_SUCH_OBJECT
            elif row.sop_class_uid != reference.sop_class_uid:
                yield reference, FailureReason.CLASS_CONFLICT
            else:
                yield reference, _fault_of_file(store, row.file_name, row.file_size)


def _fault_of_file(store: ObjectStore, name: str, size: int) -> FailureReason | None:
    try:
        found = store.path(name).stat().st_size
    except FileNotFoundError:
        return FailureReason.NO_SUCH_OBJECT
    return None if found == size else FailureReason.PROCESSING_FAILURE
