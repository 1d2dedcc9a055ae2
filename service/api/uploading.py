"""Takes the body of a request in: into memory alone, bounded in size, time and number.

What is uploaded may show a patient: nothing of it is written to disk or logged.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.errors import Unavailable, UploadIncomplete, UploadTooLarge
from service.settings import HttpSettings

_PLACES = 8  # for uploads on their way or being searched by; each may be as large as is allowed


class UploadGate:
    """Lets a few uploads in at a time; one event loop asks it."""

    def __init__(self, settings: HttpSettings, places: int = _PLACES) -> None:
        self._most_bytes = settings.maximum_upload_mb << 20
        self._timeout_s = settings.upload_timeout_s
        self._places = threading.BoundedSemaphore(places)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one upload, for as long as it is held in memory.

        Raises:
            Unavailable: all are taken.
        """
        if not self._places.acquire(blocking=False):
            raise Unavailable("Too many uploads are being searched by; try again in a moment.")
        try:
            yield
        finally:
            self._places.release()

    async def read(self, request: Request, most_bytes: int | None = None) -> bytes:
        """The body of a request; an announced size is refused before the first byte is read.

        Raises:
            UploadTooLarge: it has more bytes than `most_bytes`, or than the settings allow.
            UploadIncomplete: it did not arrive in time, or the sender is gone.
        """
        most = self._most_bytes if most_bytes is None else most_bytes
        announced = request.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced[:20]) > most:
            raise _too_large(most)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await _read(request, most)
        except TimeoutError:
            raise UploadIncomplete(
                f"The upload did not arrive within {self._timeout_s:g} s."
            ) from None
        except ClientDisconnect:
            raise UploadIncomplete("The upload ended early.") from None


async def _read(request: Request, most_bytes: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most_bytes:
            raise _too_large(most_bytes)
        parts.append(part)
    return b"".join(parts)


def _too_large(most_bytes: int) -> UploadTooLarge:
    most = f"{most_bytes >> 20} MiB" if most_bytes >= 1 << 20 else f"{most_bytes >> 10} KiB"
    return UploadTooLarge(f"At most {most} are taken.")
