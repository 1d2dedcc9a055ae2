"""Reads stored files whole and compares their hashes with those taken when they were received."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, text

from dicom_node.errors import CannotUnderstand
from dicom_node.files import ObjectStore
from service.verifying import faults
from service.verifying.faults import Fault

# Hashing lets go of the interpreter; more threads would only make the disk seek.
_THREADS = 4
_AT_ONCE = 1000
_ALL = """
    SELECT file_name, sha256 FROM instance WHERE file_name > :after
    UNION ALL SELECT file_name, sha256 FROM conflict WHERE file_name > :after
    ORDER BY file_name LIMIT :count"""
_SAMPLE = """
    WITH ends AS (SELECT min(instance_id) AS low, max(instance_id) AS high FROM instance),
    drawn AS MATERIALIZED (SELECT low + floor(random() * (high - low + 1))::bigint AS at
                           FROM ends, generate_series(1, :count))
    SELECT DISTINCT i.file_name, i.sha256 FROM drawn, LATERAL (
        SELECT file_name, sha256 FROM instance WHERE instance_id >= drawn.at
        ORDER BY instance_id LIMIT 1) i"""


@dataclass
class ContentFindings:
    """How many files were read, and the names of those that are not what was received."""

    read: int = 0
    changed: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def faults(self) -> Iterator[Fault]:
        """Each kind that was found."""
        if self.changed:
            yield Fault.of(faults.FILE_CHANGED, len(self.changed), self.changed, "read whole")
        if self.unreadable:
            yield Fault.of(faults.FILE_UNREADABLE, len(self.unreadable), self.unreadable)


def check_contents(
    engine: Engine,
    store: ObjectStore,
    sample: int | None,
    advance: Callable[[int], object] = lambda _: None,
) -> ContentFindings:
    """Read about `sample` files drawn at random, or all of them for None.

    Files that are gone are passed over: whether they should be there is told by their directory.

    Raises:
        SQLAlchemyError: the database failed.
    """
    found = ContentFindings()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="contents") as threads:
        for rows in _batches(engine, sample):
            hashes = dict(rows)
            names = list(hashes)
            for name, hashed in zip(names, threads.map(_hash(store), names), strict=True):
                _judge(name, hashed, hashes[name], found)
            advance(len(rows))
    return found


def _judge(
    name: str, hashed: bytes | OSError | None, sha256: bytes, found: ContentFindings
) -> None:
    if isinstance(hashed, FileNotFoundError):
        return
    found.read += 1
    if isinstance(hashed, OSError):
        found.unreadable.append(name)
    elif hashed != sha256:
        found.changed.append(name)


def _hash(store: ObjectStore) -> Callable[[str], bytes | OSError | None]:
    """The hash of a file, the disk's error, or None where its file meta is no longer one."""

    def hashed(name: str) -> bytes | OSError | None:
        try:
            return store.describe(name)[0].sha256
        except CannotUnderstand:
            return None
        except OSError as error:
            return error

    return hashed


def _batches(engine: Engine, sample: int | None) -> Iterator[list[tuple[str, bytes]]]:
    after = ""
    while True:
        with engine.connect() as connection:
            rows = _rows(connection, sample, after)
        if rows:
            yield rows
        if sample is not None or not rows:
            return
        after = rows[-1][0]


def _rows(connection: Connection, sample: int | None, after: str) -> list[tuple[str, bytes]]:
    if sample is None:
        found = connection.execute(text(_ALL), {"after": after, "count": _AT_ONCE})
    else:
        found = connection.execute(text(_SAMPLE), {"count": sample})
    return [(name, bytes(sha256)) for name, sha256 in found]
