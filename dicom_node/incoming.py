"""An object on its way to the disk: written piece by piece, hashed as it passes, synced at its end.

It lies under `<hex>.part` with a lock that tells others of its living writer, until it is complete.
Memory does not grow with it.
"""

import contextlib
import fcntl
import hashlib
import os
from pathlib import Path
from typing import BinaryIO, cast

from dicom_node.background_sync import BackgroundSyncs, PendingSync
from dicom_node.errors import OutOfResources
from dicom_node.meta import PREFIX

_MAX_PIECES = 256
# Nearly every header ends before it; kept, since reading it again takes longer than parsing it.
_HEAD_BYTES = 20 << 10


class IncomingFile:
    """A file being written; ended by `complete`, `close` or `discard`; for one thread at a time."""

    def __init__(self, objects: Path, identity: str, meta: bytes, transfer_syntax_uid: str) -> None:
        """Create it, with preamble and `meta` (encoded group 0002) at its beginning.

        `identity` are hexadecimal digits that nobody else has.

        Raises:
            OutOfResources: the disk does not take it; nothing is left behind.
        """
        self.name = f"{identity[:2]}/{identity}.dcm"
        self.transfer_syntax_uid = transfer_syntax_uid
        self.dataset_offset = len(PREFIX) + len(meta)
        self.size = 0
        # Texts, because joining and suffixing paths costs more than creating the file.
        self._path = f"{objects}/{self.name}"
        self._unfinished = f"{self._path.removesuffix('.dcm')}.part"
        self._digest = hashlib.sha256(transfer_syntax_uid.encode("ascii"))
        self._pieces: list[bytes | memoryview] = []
        self._head = bytearray()
        self._descriptor = -1
        self._is_published = False
        self._pending: PendingSync | None = None
        try:
            self._descriptor = _locked_new_file(self._unfinished)
        except BaseException as error:
            raise self._discarded(error) from None
        self._add(PREFIX + meta)

    def write(self, piece: bytes | memoryview) -> None:
        """Take a piece of the dataset, which must stay as it is until `flush` returns.

        Raises:
            OutOfResources: the disk does not take it; nothing is left behind.
        """
        self._digest.update(piece)
        self._add(piece)

    def _add(self, piece: bytes | memoryview) -> None:
        self._pieces.append(piece)
        if self.size < _HEAD_BYTES:
            self._head += piece[: _HEAD_BYTES - self.size]
        self.size += len(piece)
        if len(self._pieces) >= _MAX_PIECES:
            self.flush()

    def flush(self) -> None:
        """Hand all pieces to the system, in one call where it takes them all.

        Raises:
            OutOfResources: the disk does not take them; nothing is left behind.
        """
        pieces, self._pieces = self._pieces, []
        try:
            while pieces:
                pieces = _after(os.writev(self._descriptor, pieces), pieces)
        except BaseException as error:
            raise self._discarded(error) from None

    def opened(self) -> BinaryIO:
        """What has been written, to be read from; there is nothing to be closed."""
        self.flush()
        return cast(BinaryIO, _Written(self._descriptor, self._head, self.size))

    def complete(self) -> bytes:
        """Sync the file and give it its final name; returns the dataset's SHA-256.

        Raises:
            OutOfResources: the disk does not take it; nothing is left behind.
        """
        try:
            self.sync()
        except BaseException as error:
            raise self._discarded(error) from None
        self.publish()
        self.close()
        return self.sha256

    def begin_sync(self, background: BackgroundSyncs | None) -> None:
        """Have the system sync what was written, if it can; `sync` then waits for the rest.

        Others may read the file meanwhile, and nothing more is to be written.

        Raises:
            OutOfResources: the disk does not take it; nothing is left behind.
        """
        self.flush()
        if background is not None:
            self._pending = background.begin(self._descriptor)
        if self._pending is None:
            # Linux starts writing pages back when told that they are not needed any more.
            self._forget_pages()

    def sync(self) -> None:
        """Bring what was written to the disk; others may read the file meanwhile.

        Its pages leave the system's memory, to be those of the next file: taking fresh ones for
        each can cost more than all the rest, and would crowd out the database's.

        Raises:
            OutOfResources: the disk does not take it; the caller is to discard the file.
        """
        self.flush()
        try:
            if self._pending is None:
                os.fsync(self._descriptor)
            else:
                self._pending.wait()
        except OSError as error:
            raise _unwritten(error) from None
        self._forget_pages()

    def _forget_pages(self) -> None:
        if hasattr(os, "posix_fadvise"):
            # Only advice: whether the disk takes the bytes is told by `sync`.
            with contextlib.suppress(OSError):
                os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def publish(self) -> None:
        """Give a file that is synced its final name, if it has not got it yet.

        It stays locked until `close`, so that no recovery takes it for one that was left behind.

        Raises:
            OutOfResources: the disk does not take it; nothing is left behind.
        """
        if self._is_published:
            return
        try:
            os.rename(self._unfinished, self._path)  # noqa: PTH104
        except BaseException as error:
            raise self._discarded(error) from None
        self._is_published = True

    @property
    def sha256(self) -> bytes:
        """Over transfer syntax UID and dataset as far as it was written."""
        return self._digest.digest()

    def discard(self) -> None:
        """Delete what was written; nobody was told that it is there."""
        self._pieces.clear()
        # First the name: once the lock is gone, a recovery may set the file aside.
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._unfinished)  # noqa: PTH108
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the file, whatever its name is; nothing more is written or read by this."""
        pending, self._pending = self._pending, None
        if pending is not None:
            # The system must have let go of what it was told to sync.
            with contextlib.suppress(OSError):
                pending.wait()
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _discarded(self, error: BaseException) -> BaseException:
        """What to raise for an error, after which nothing is to be left behind."""
        with contextlib.suppress(OSError):
            self.discard()
        return _unwritten(error) if isinstance(error, OSError) else error


class _Written:
    """The bytes of a file of `size`, whose beginning is `head`; it does not own the descriptor."""

    def __init__(self, descriptor: int, head: bytearray, size: int) -> None:
        self._descriptor = descriptor
        self._head = head
        self._size = size
        self._position = 0

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        """As many bytes as there are up to `size`, not fewer."""
        begin = self._position
        end = self._size if size < 0 else min(begin + size, self._size)
        known = end <= len(self._head)
        found = bytes(self._head[begin:end]) if known else self._read_file(begin, end)
        self._position = begin + len(found)
        return found

    def _read_file(self, begin: int, end: int) -> bytes:
        parts = []
        while begin < end and (part := os.pread(self._descriptor, end - begin, begin)):
            parts.append(part)
            begin += len(part)
        return b"".join(parts)


def _unwritten(error: OSError) -> OutOfResources:
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return OutOfResources(f"the object could not be written to disk: {reason}")


def _after(written: int, pieces: list[bytes | memoryview]) -> list[bytes | memoryview]:
    """What is left of `pieces`; a write may be short, which is how a filling disk announces it."""
    for number, piece in enumerate(pieces):
        if written < len(piece):
            return [memoryview(piece)[written:], *pieces[number + 1 :]]
        written -= len(piece)
    return []


def _locked_new_file(path: str) -> int:
    """A new file that only we may read; the lock tells others that we are alive."""
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
