"""Makes files and rows agree again after a crash or a restored backup; deletes nothing.

Unfinished files are set aside, complete files without a row are registered again, and rows whose
file is gone are counted, so that somebody looks for it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine, Table, select, union_all

from dicom_node.errors import (
    CannotUnderstand,
    DatasetMismatch,
    RefusedByRule,
    StoredFileUnreadable,
)
from dicom_node.files import ObjectStore
from dicom_node.receive import Receiver, Registration
from service.db.node_tables import deleted_file
from service.db.tables import conflict, instance

_LOG = logging.getLogger("precuneus.recover")


@dataclass(frozen=True)
class RecoveryReport:
    """What a recovery found and did, in numbers of files.

    `unreadable` are no objects of ours, `unread` could not be read from the disk and stay where
    they are, `busy` were left to the living writers that hold them, `missing_files` are rows
    without a file.
    """

    finished: int = 0
    unfinished: int = 0
    registered: int = 0
    conflicts: int = 0
    duplicates: int = 0
    unreadable: int = 0
    unread: int = 0
    busy: int = 0
    missing_files: int = 0

    def sentence(self) -> str:
        """The report for a person."""
        text = (
            f"{self.registered} stored objects registered again, {self.conflicts} kept as "
            f"conflicts, {self.finished} files completed; to quarantine/: {self.unfinished} "
            f"unfinished, {self.duplicates} duplicates, {self.unreadable} unreadable."
        )
        if self.unread:
            text += f" {self.unread} files could not be read; the log names them."
        if self.busy:
            text += f" {self.busy} files were left to who is still storing them."
        if self.missing_files:
            text += (
                f" {self.missing_files} rows have no file: restore objects/ from a backup as new "
                "as the database's."
            )
        return text


def settle_unfinished(engine: Engine, store: ObjectStore) -> RecoveryReport:
    """Complete or set aside what a crash left unfinished; quick, and to be done before receiving.

    Raises:
        OSError: the disk failed.
        SQLAlchemyError: the database failed.
    """
    with engine.connect() as connection:
        settled = store.settle_unfinished(lambda name: _expected(connection, name))
    return RecoveryReport(finished=len(settled.finished), unfinished=len(settled.quarantined))


def recover(
    engine: Engine,
    store: ObjectStore,
    receiver: Receiver,
    stopping: Callable[[], bool] = lambda: False,
) -> RecoveryReport:
    """Settle unfinished files, register complete files without a row, and count rows without file.

    Safe beside a running service: files that a living process is writing are left alone, and
    registering is idempotent. `stopping` is asked now and then whether to leave the rest for later.

    Raises:
        OSError: the disk failed.
        OutOfResources, SQLAlchemyError: the database failed.
    """
    report = settle_unfinished(engine, store)
    orphans: list[tuple[int, str]] = []
    missing = 0
    for bucket in (f"{number:02x}" for number in range(256)):
        if stopping():
            return report
        files = set(store.names(bucket))
        with engine.connect() as connection:
            rows = _names_of_rows(connection, bucket, instance, conflict)
            # What was deleted and is still kept must not come back.
            deleted = _names_of_rows(connection, bucket, deleted_file)
        unknown = files - rows - deleted
        orphans += [(age, name) for name in unknown if (age := _written_at(store, name))]
        missing += sum(not store.path(name).exists() for name in rows - files)
    # In the order of their arrival, so that of two rivals the first stays the first.
    for _, name in sorted(orphans):
        if stopping():
            break
        report = _register_one(name, store, receiver, report)
    return replace(report, missing_files=missing)


def _written_at(store: ObjectStore, name: str) -> int | None:
    """When a file was written, in nanoseconds; None when it is gone meanwhile."""
    try:
        return store.path(name).stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _expected(connection: Connection, name: str) -> tuple[int, bytes] | None:
    """Size and SHA-256 of the row that refers to a file, if any."""
    for table in (instance, conflict, deleted_file):
        row = connection.execute(
            select(table.c.file_size, table.c.sha256).where(table.c.file_name == name)
        ).one_or_none()
        if row is not None:
            return row.file_size, bytes(row.sha256)
    return None


def _names_of_rows(connection: Connection, bucket: str, *tables: Table) -> set[str]:
    """The files that rows refer to, one bucket at a time to bound memory."""
    within = (f"{bucket}/", f"{bucket}0")
    return set(
        connection.scalars(
            union_all(
                *(
                    select(table.c.file_name).where(
                        table.c.file_name >= within[0], table.c.file_name < within[1]
                    )
                    for table in tables
                )
            )
        )
    )


def _register_one(
    name: str, store: ObjectStore, receiver: Receiver, report: RecoveryReport
) -> RecoveryReport:
    """Register a file again, or set it aside as a duplicate or as no object of ours."""
    try:
        if _is_held(store, name):
            # Its writer may be about to remove it; what it leaves is for the next recovery.
            return replace(report, busy=report.busy + 1)
        registration, _ = receiver.register_stored(name)
        if registration is Registration.DUPLICATE:
            store.quarantine(name, "the same object is stored under another name")
        counter = _COUNTERS[registration]
    except (CannotUnderstand, DatasetMismatch, RefusedByRule) as error:
        store.quarantine(name, str(error))
        counter = "unreadable"
    except (FileNotFoundError, StoredFileUnreadable) as error:
        if not store.path(name).exists():
            # A living node found it to be a duplicate, and removed it, meanwhile.
            return report
        _LOG.warning("left alone: %s", error, extra={"action": "recover.unread", "file": name})
        counter = "unread"
    return replace(report, **{counter: getattr(report, counter) + 1})


def _is_held(store: ObjectStore, name: str) -> bool:
    """Whether a living writer holds a file; what cannot be opened is for its reading to tell."""
    try:
        return store.is_held(name)
    except OSError:
        return False


_COUNTERS = {
    Registration.STORED: "registered",
    Registration.CONFLICT: "conflicts",
    Registration.DUPLICATE: "duplicates",
}
