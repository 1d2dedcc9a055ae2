"""Compares the files of the object store with the rows that name them, a bucket at a time.

It reads directories and sizes; what is in the files is `service.verifying.contents`'s to read.
Beside a running service: what seems wrong is looked at once more before it is said to be.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from time import time

from sqlalchemy import Connection, Engine, text

from dicom_node.errors import DicomError
from dicom_node.files import ObjectStore
from dicom_node.importing import open_dicom_file
from service.verifying import faults
from service.verifying.faults import Fault

BUCKETS = tuple(f"{number:02x}" for number in range(256))
# The node removes what is due every minute.
_GRACE_S = 600
# An imported file is whole for a while before its row is; no transaction of that kind lasts longer.
_REGISTERING_S = 60
_COMPLETE, _UNFINISHED = ".dcm", ".part"
_ROWS = text("""
    SELECT file_name, file_size, 'instance' AS kind FROM instance
        WHERE file_name >= :low AND file_name < :high
    UNION ALL
    SELECT file_name, file_size, 'conflict' FROM conflict
        WHERE file_name >= :low AND file_name < :high
    UNION ALL
    SELECT file_name, file_size,
           CASE WHEN deleted_at + make_interval(secs => :keep_s) < now() THEN 'overdue'
                ELSE 'deleted' END
        FROM deleted_file WHERE file_name >= :low AND file_name < :high""")
_NAMED = text("""
    SELECT file_name FROM instance WHERE file_name = ANY (:names)
    UNION ALL SELECT file_name FROM conflict WHERE file_name = ANY (:names)""")
_DELETED = text("""
    SELECT EXISTS (SELECT FROM tombstone WHERE sop_instance_uid = :uid AND cause <> '113001')
       AND NOT EXISTS (SELECT FROM instance WHERE sop_instance_uid = :uid)""")


@dataclass
class FileFindings:
    """Files by what names them, and the names of those that are at fault."""

    counts: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    of_deleted: list[str] = field(default_factory=list)

    def faults(self) -> Iterator[Fault]:
        """Each kind that was found."""
        for kind, names in (
            (faults.FILE_MISSING, self.missing),
            (faults.FILE_CHANGED, self.changed),
            (faults.FILE_UNKNOWN, self.unknown),
            (faults.FILE_OF_DELETED, self.of_deleted),
        ):
            if names:
                yield Fault.of(kind, len(names), names)


def find_file_faults(
    engine: Engine,
    store: ObjectStore,
    keep_days: float,
    advance: Callable[[], object] = lambda: None,
) -> FileFindings:
    """Compare all files with all rows; `keep_days` is how long files of deleted instances stay.

    Raises:
        OSError: a folder cannot be read.
        SQLAlchemyError: the database failed.
    """
    found = FileFindings()
    for bucket in BUCKETS:
        sizes = _sizes(store, bucket)
        with engine.connect() as connection:
            _compare(connection, store, bucket, sizes, keep_days, found)
        advance()
    found.counts["quarantined"] = len(store.set_aside())
    return found


def _sizes(store: ObjectStore, bucket: str) -> dict[str, int]:
    """The files of a bucket with their sizes in bytes, unfinished ones among them."""
    sizes = {}
    with os.scandir(store.path(bucket)) as entries:
        for entry in entries:
            try:
                sizes[f"{bucket}/{entry.name}"] = entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue
    return sizes


def _compare(
    connection: Connection,
    store: ObjectStore,
    bucket: str,
    sizes: dict[str, int],
    keep_days: float,
    found: FileFindings,
) -> None:
    """The rows are read after the folder, so a file that is being stored seems to lack its row."""
    within = {"low": f"{bucket}/", "high": f"{bucket}0"}
    keep_s = keep_days * 86400 + _GRACE_S
    suspects: list[str] = []
    known = set()
    for name, size, kind in connection.execute(_ROWS, within | {"keep_s": keep_s}):
        known.add(name)
        if name not in sizes:
            suspects += [name] if kind in ("instance", "conflict") else []
            continue
        found.counts[kind] += 1
        if kind == "overdue" and store.path(name).exists():
            found.of_deleted.append(name)
        elif sizes[name] != size:
            found.changed.append(name)
    found.missing += _still_missing(connection, store, suspects)
    without_row = [name for name in sizes if name not in known]
    _judge_unknown(connection, store, without_row, found)


def _still_missing(connection: Connection, store: ObjectStore, names: Iterable[str]) -> list[str]:
    """Those that a row still names after the file was looked for once more."""
    absent = [name for name in names if not store.path(name).exists()]
    if not absent:
        return []
    connection.rollback()
    return sorted(connection.scalars(_NAMED, {"names": absent}))


def _judge_unknown(
    connection: Connection, store: ObjectStore, names: list[str], found: FileFindings
) -> None:
    """Tell files that nobody knows from those being stored, or removed, at this moment."""
    complete = []
    for name in names:
        if name.endswith(_UNFINISHED):
            found.counts["unfinished"] += 1
        elif _is_being_stored(store, name):
            found.counts["being stored"] += 1
        else:
            complete.append(name)
    if not complete:
        return
    connection.rollback()
    registered = set(connection.scalars(_NAMED, {"names": complete}))
    for name in complete:
        if name in registered or not store.path(name).exists():
            continue
        of_deleted = name.endswith(_COMPLETE) and _is_of_deleted(connection, store, name)
        (found.of_deleted if of_deleted else found.unknown).append(name)


def _is_being_stored(store: ObjectStore, name: str) -> bool:
    """Whether a writer has it in hand, or it is so new that it may be registered right now."""
    try:
        is_new = abs(time() - store.path(name).stat().st_mtime) < _REGISTERING_S
        return is_new or store.is_held(name)
    except OSError:
        return False


def _is_of_deleted(connection: Connection, store: ObjectStore, name: str) -> bool:
    """Whether a file holds an instance that was deleted; one that cannot be read does not."""
    try:
        header = open_dicom_file(store.path(name)).header
    except (DicomError, OSError):
        return False
    return bool(connection.scalar(_DELETED, {"uid": header.sop_instance_uid}))
