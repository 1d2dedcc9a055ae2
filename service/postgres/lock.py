"""File locks that vanish with the process that holds them, even one that was killed.

flock(2), because its locks belong to an open file: closing another descriptor of the same file does
not drop them. Descriptors are not inherited by programs started from here.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.postgres.errors import StartError
from service.postgres.waiting import Progress, wait_until


@contextmanager
def exclusive(path: Path, timeout_s: float, progress: Progress | None = None) -> Iterator[None]:
    """Hold the lock on a file (made when missing) or a folder alone.

    Raises:
        StartError: another process held it for all of `timeout_s`.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags, 0o600)
    try:
        if not wait_until(lambda: _taken(descriptor), timeout_s, progress):
            raise StartError(
                f"Another process has been starting or stopping the database for {timeout_s:.0f} s;"
                f" try again in a moment, or see who holds {path}."
            )
        yield
    finally:
        os.close(descriptor)


class SharedLock:
    """One process's share in a lock that many may hold; `is_last` asks whether none other does."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def is_last(self) -> bool:
        """Try to turn the share into the whole; on failure the share is given up as well."""
        return _taken(self._descriptor)

    def close(self) -> None:
        """Give the share up."""
        os.close(self._descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
