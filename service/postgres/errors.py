"""What can go wrong with the embedded server. Every message says what to do about it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.errors import Unavailable


class PostgresError(Unavailable):
    """The embedded database cannot be used."""

    title = "Database unavailable"


class AccountError(PostgresError):
    """The unprivileged account that runs the server cannot be had."""


class BinariesError(PostgresError):
    """PostgreSQL's programs are missing or do not run here."""


class FolderError(PostgresError):
    """The cluster's folder cannot be made, read or written, or is of another server's making."""


class StartError(PostgresError):
    """The server did not start, or not yet."""


_DISK_FULL = ("No space left on device", "Check free disk space", "Disk quota exceeded")

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space and try again",
    errno.EDQUOT: "the disk quota is used up; free some space and try again",
    errno.EROFS: "the file system is read-only; choose another state folder (PRECUNEUS_STATE_DIR)",
    errno.EACCES: "permission denied; run as the user who owns it, or choose another state folder"
    " (PRECUNEUS_STATE_DIR)",
    errno.ENOLCK: "the file system has no file locks; choose a state folder on a local disk",
}


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusals below `folder` into `FolderError`."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, error.strerror or type(error).__name__)
        raise FolderError(f"{error.filename or folder}: {remedy}.") from error


def tells_of_full_disk(output: str) -> bool:
    """Whether PostgreSQL's messages (in English) say that the disk is full."""
    return any(phrase in output for phrase in _DISK_FULL)
