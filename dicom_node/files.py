"""Keeps the peers' bytes in files of our own naming, whole or not at all.

A file is written as `objects/ab/<hex>.part` and renamed to `.dcm` when it is complete and synced.
No file is ever deleted here but one whose writing failed, and one the caller asks to remove.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from dicom_node.errors import CannotUnderstand
from dicom_node.incoming import IncomingFile
from dicom_node.meta import PREFIX, FileMeta, read_meta, stored_transfer_syntax

_BUCKETS, _CHUNK = 256, 1 << 20
_log = logging.getLogger("precuneus.node")


@dataclass(frozen=True)
class StoredFile:
    """A complete file: `name` ("ab/<hex>.dcm") below the store, its size in bytes, its SHA-256.

    The hash is over transfer syntax UID and dataset only. The File Meta Information is ours, so the
    same object pushed twice, or imported from a file, has the same hash.
    """

    name: str
    size: int
    sha256: bytes


@dataclass(frozen=True)
class SettleReport:
    """What became of unfinished files, by name: completed, set aside, still being written."""

    finished: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()


class ObjectStore:
    """The objects below one folder; many threads and processes may write at the same time.

    A file is synced, its folder is not (that would halve the rate). That is sound: on ext4 and xfs
    the sync of a new file makes its directory entry durable in practice, and should a power loss
    take back the rename, the object still lies there, whole, as `.part`, where `settle_unfinished`
    matches it with its row and finishes the rename. POSIX promises neither.
    """

    def __init__(self, root: Path) -> None:
        self._objects = root / "objects"
        self._quarantine = root / "quarantine"
        root.mkdir(parents=True, exist_ok=True)
        for folder in (self._objects, self._quarantine):
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.stat().st_mode & 0o777 != 0o700:
                folder.chmod(0o700)
        buckets = (self._objects / f"{number:02x}" for number in range(_BUCKETS))
        missing = [bucket for bucket in buckets if not bucket.is_dir()]
        for bucket in missing:
            bucket.mkdir(mode=0o700, exist_ok=True)
        if missing:
            for folder in (self._objects, root):
                _sync_folder(folder)

    def begin(self, meta: bytes, transfer_syntax_uid: str) -> IncomingFile:
        """Create a file that the caller writes, completes or discards.

        `meta` is the encoded group 0002, and names the same transfer syntax.

        Raises:
            OutOfResources: the disk does not take it.
        """
        # Asked of the system: a process that is forked would share a state of our own, and its file
        # take our file's place. One folder for each second gives a sync fewer places to write to.
        identity = f"{int(time.time()) % _BUCKETS:02x}{os.urandom(15).hex()}"
        return IncomingFile(self._objects, identity, meta, transfer_syntax_uid)

    def write(self, parts: Iterable[bytes | memoryview], meta: bytes) -> StoredFile:
        """Write preamble, `meta` (encoded group 0002) and the dataset's `parts`, and sync them.

        Returns:
            The complete file under its final name.

        Raises:
            CannotUnderstand: `meta` names no transfer syntax; nothing is written.
            OutOfResources: the disk took not all of it; nothing is left behind.
        """
        file = self.begin(meta, stored_transfer_syntax(read_meta(BytesIO(PREFIX + meta))))
        try:
            for part in parts:
                file.write(part)
                file.flush()
            return completed(file)
        except BaseException:
            file.discard()
            raise

    def free_bytes(self) -> int:
        """What the objects' disk still takes.

        Raises:
            OSError: it cannot be asked.
        """
        found = os.statvfs(self._objects)
        return found.f_bavail * found.f_frsize

    def path(self, name: str) -> Path:
        """Where the file of that name lies."""
        return self._objects / name

    def remove(self, name: str) -> None:
        """Delete a file that no row refers to; one that is gone already is as good."""
        self.path(name).unlink(missing_ok=True)

    def names(self, bucket: str = "*") -> Iterator[str]:
        """The names of all complete files, or those of one bucket ("00" to "ff"), in no order."""
        return self._files(".dcm", bucket)

    def is_held(self, name: str) -> bool:
        """Whether a living writer still has a complete file in hand, and may remove it.

        Raises:
            OSError: it is not there, or cannot be opened.
        """
        with self.path(name).open("rb") as file:
            return not _lock_now(file)

    def describe(self, name: str) -> tuple[StoredFile, str | None]:
        """Size and hash of a complete file, read anew, and the source its file meta names.

        Raises:
            CannotUnderstand: its file meta cannot be read.
            OSError: it is not there.
        """
        path = self.path(name)
        return StoredFile(name, path.stat().st_size, _hash_of(path)), _source_of(path)

    def quarantine(self, name: str, reason: str) -> Path:
        """Set a file aside, with `reason` in a text file beside it; it is never deleted.

        On a full disk it is set aside without its reason, which then stands in the log alone.
        """
        aside = self._quarantine / Path(name).name
        # A move, not a rename: objects/ may be a volume of its own.
        shutil.move(self.path(name), aside)
        fields = {"action": "file.quarantined", "file": name, "reason": reason}
        _log.warning("file set aside: %s", reason, extra=fields)
        with contextlib.suppress(OSError):
            aside.with_name(f"{aside.name}.reason").write_text(f"{reason}\n", encoding="utf-8")
        return aside

    def set_aside(self) -> list[Path]:
        """The files in quarantine."""
        return [path for path in self._quarantine.iterdir() if path.suffix != ".reason"]

    def settle_unfinished(
        self, expected: Callable[[str], tuple[int, bytes] | None]
    ) -> SettleReport:
        """Decide what to do with each file that a crash left unfinished; called at start-up.

        `expected` gets the final name and returns size and SHA-256 of the row that refers to it, or
        None. A file that matches its row is complete (a crash came between its rename and the
        journal's commit) and gets its name; every other one is quarantined. A file that a living
        writer holds is left alone.
        """
        finished, quarantined, busy = [], [], []
        for name in sorted(self._files(".part")):
            final = str(Path(name).with_suffix(".dcm"))
            try:
                file = self.path(name).open("rb")
            except FileNotFoundError:  # its writer finished meanwhile
                continue
            with file:
                if not _lock_now(file) or not self.path(name).exists():
                    busy.append(name)
                elif _matches(self.path(name), expected(final)):
                    self.path(name).rename(self.path(final))
                    finished.append(final)
                else:
                    self.quarantine(name, "the node stopped before the object was complete")
                    quarantined.append(name)
        return SettleReport(tuple(finished), tuple(quarantined), tuple(busy))

    def _files(self, suffix: str, bucket: str = "*") -> Iterator[str]:
        for path in self._objects.glob(f"{bucket}/*{suffix}"):
            yield f"{path.parent.name}/{path.name}"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def completed(file: IncomingFile) -> StoredFile:
    """Sync a file that is whole, and give it its final name.

    Raises:
        OutOfResources: the disk does not take it; nothing is left behind.
    """
    sha256 = file.complete()
    return StoredFile(file.name, file.size, sha256)


def _lock_now(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _new_hash(meta: FileMeta) -> "hashlib._Hash":
    return hashlib.sha256(stored_transfer_syntax(meta).encode("ascii"))


def _hash_of(path: Path) -> bytes:
    with path.open("rb") as file:
        meta = read_meta(file)
        digest = _new_hash(meta)
        file.seek(meta.dataset_offset)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()


def _source_of(path: Path) -> str | None:
    with path.open("rb") as file:
        return read_meta(file).source


def _matches(path: Path, expected: tuple[int, bytes] | None) -> bool:
    if expected is None or path.stat().st_size != expected[0]:
        return False
    try:
        return _hash_of(path) == expected[1]
    except CannotUnderstand:
        return False
