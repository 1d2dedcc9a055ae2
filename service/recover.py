"""Makes files and rows agree again after a crash or a restored backup; deletes nothing.

Unfinished files are set aside, complete files without a row are registered again, and rows whose
file is gone are counted, so that somebody looks for it.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine, select, union_all

from dicom_node.errors import CannotUnderstand, DatasetMismatch, OutOfResources
from dicom_node.files import ObjectStore
from dicom_node.receive import Receiver, Registration
from service.db.tables import conflict, instance

_LOG = logging.getLogger("precuneus.recover")


@dataclass(frozen=True)
class RecoveryReport:
    """What a recovery found and did, in numbers of files; `missing_files` are rows without one."""

    finished: int = 0
    unfinished: int = 0
    registered: int = 0
    conflicts: int = 0
    duplicates: int = 0
    unreadable: int = 0
    missing_files: int = 0

    def sentence(self) -> str:
        """The report for a person."""
        text = (
            f"{self.registered} stored objects registered again, {self.conflicts} kept as "
            f"conflicts, {self.finished} files completed; to quarantine/: {self.unfinished} "
            f"unfinished, {self.duplicates} duplicates, {self.unreadable} unreadable."
        )
        if self.missing_files:
            text += (
                f" {self.missing_files} rows have no file: restore objects/ from a backup as new "
                "as the database's."
            )
        return text


def recover(engine: Engine, store: ObjectStore, receiver: Receiver) -> RecoveryReport:
    """Settle unfinished files, register complete files without a row, and count rows without file.

    Safe beside a running service: files that a living process is writing are left alone, and
    registering is idempotent.

    Raises:
        OutOfResources: disk or database failed.
        SQLAlchemyError: the database failed.
    """
    with engine.connect() as connection:
        settled = store.settle_unfinished(lambda name: _expected(connection, name))
    report = RecoveryReport(finished=len(settled.finished), unfinished=len(settled.quarantined))
    buckets: dict[str, set[str]] = {f"{number:02x}": set() for number in range(256)}
    for name in store.names():
        buckets.setdefault(name[:2], set()).add(name)
    for bucket, files in buckets.items():
        with engine.connect() as connection:
            rows = _names_of_rows(connection, bucket)
        report = _register_all(sorted(files - rows), store, receiver, report)
        gone = [name for name in rows - files if not store.path(name).exists()]
        report = replace(report, missing_files=report.missing_files + len(gone))
    return report


def _expected(connection: Connection, name: str) -> tuple[int, bytes] | None:
    """Size and SHA-256 of the row that refers to a file, if any."""
    for table in (instance, conflict):
        row = connection.execute(
            select(table.c.file_size, table.c.sha256).where(table.c.file_name == name)
        ).one_or_none()
        if row is not None:
            return row.file_size, bytes(row.sha256)
    return None


def _names_of_rows(connection: Connection, bucket: str) -> set[str]:
    """The files that rows refer to, one bucket at a time to bound memory."""
    within = (f"{bucket}/", f"{bucket}0")
    return set(
        connection.scalars(
            union_all(
                *(
                    select(table.c.file_name).where(
                        table.c.file_name >= within[0], table.c.file_name < within[1]
                    )
                    for table in (instance, conflict)
                )
            )
        )
    )


def _register_all(
    names: Iterable[str], store: ObjectStore, receiver: Receiver, report: RecoveryReport
) -> RecoveryReport:
    for name in names:
        try:
            registration = _register_one(name, store, receiver)
        except (FileNotFoundError, OutOfResources):
            if store.path(name).exists():
                raise
            # A living node found it to be a duplicate, and removed it, meanwhile.
            continue
        counter = _COUNTERS[registration]
        report = replace(report, **{counter: getattr(report, counter) + 1})
    return report


_COUNTERS = {
    Registration.STORED: "registered",
    Registration.CONFLICT: "conflicts",
    Registration.DUPLICATE: "duplicates",
    None: "unreadable",
}


def _register_one(name: str, store: ObjectStore, receiver: Receiver) -> Registration | None:
    """Register a file again, or set it aside: as a duplicate, or (None) as unreadable."""
    try:
        registration, _ = receiver.register_stored(name)
    except (CannotUnderstand, DatasetMismatch) as error:
        store.quarantine(name, str(error))
        _LOG.warning("set aside", extra={"action": "quarantined", "reason": str(error)})
        return None
    if registration is Registration.DUPLICATE:
        store.quarantine(name, "the same object is stored under another name")
    return registration
