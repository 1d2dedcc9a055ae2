"""Files that are synced while Python does something else, many at a time.

By POSIX asynchronous I/O (aio_fsync), whose threads are the C library's: a thread of Python's for
each sync would take turns at the interpreter with those that receive and register.
"""

import ctypes
import errno
import os
import sys
from typing import Any, Self

# The beginning of `struct aiocb` in glibc and musl: 32 and 64 bit differ in the place of the event.
_AIOCB_BYTES = 256
_DESCRIPTOR_AT = 0
_NOTIFY_AT = 44
_SIGEV_NONE = 1


class PendingSync:
    """A sync under way; its descriptor stays open until `wait` has returned."""

    def __init__(self, system: "BackgroundSyncs", request: ctypes.Array[ctypes.c_char]) -> None:
        self._system = system
        self._request = request
        self._error: int | None = None

    def wait(self) -> None:
        """Until the disk has the file.

        Raises:
            OSError: it has not.
        """
        if self._error is None:
            self._error = self._system.outcome(self._request)
        if self._error:
            raise OSError(self._error, os.strerror(self._error))


class BackgroundSyncs:
    """The system's asynchronous I/O."""

    def __init__(self, waiting: Any, quick: Any) -> None:
        self._suspend = waiting.aio_suspend
        # These never wait, and letting others have the interpreter would take longer than they do.
        self._fsync, self._state, self._return = quick.aio_fsync, quick.aio_error, quick.aio_return
        self._return.restype = ctypes.c_ssize_t
        # The system writes into a request even if whoever began it has gone without waiting.
        self._under_way: dict[int, ctypes.Array[ctypes.c_char]] = {}

    @classmethod
    def of_this_system(cls) -> Self | None:
        """None where there is none that is known here: Linux on 64 bit has it."""
        if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != 8:
            return None
        for name in (None, "librt.so.1"):
            try:
                return cls(ctypes.CDLL(name, use_errno=True), ctypes.PyDLL(name, use_errno=True))
            except (OSError, AttributeError):
                continue
        return None

    def begin(self, descriptor: int) -> PendingSync | None:
        """Sync a file that is open for writing; None where the system takes no more at present."""
        request = ctypes.create_string_buffer(_AIOCB_BYTES)
        ctypes.c_int.from_buffer(request, _DESCRIPTOR_AT).value = descriptor
        ctypes.c_int.from_buffer(request, _NOTIFY_AT).value = _SIGEV_NONE
        if self._fsync(os.O_SYNC, request):
            return None
        self._under_way[ctypes.addressof(request)] = request
        return PendingSync(self, request)

    def state(self, request: ctypes.Array[ctypes.c_char]) -> int:
        """EINPROGRESS, or what became of it."""
        return int(self._state(request))

    def outcome(self, request: ctypes.Array[ctypes.c_char]) -> int:
        """Wait for a request, and let the system forget it; 0 or an error's number."""
        address = ctypes.addressof(request)
        listed = (ctypes.c_void_p * 1)(address)
        # It may come back early, for a signal.
        while (state := self.state(request)) == errno.EINPROGRESS:
            self._suspend(listed, 1, None)
        self._return(request)
        del self._under_way[address]
        return state
