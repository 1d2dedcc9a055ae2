"""The thread that waits for all sockets of a process at once.

Ready sockets come first, then what other threads posted, then deadlines: a loop that was held up
reads what has come meanwhile before it calls a peer too slow.
"""

import logging
import selectors
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Protocol

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
RECEIVE_BYTES = 1 << 18
_TICK_S = 0.2
_log = logging.getLogger("precuneus.node")


class Watcher(Protocol):
    """Whoever owns a socket."""

    def on_ready(self, mask: int, now: float) -> None:
        """The socket can be read from (READ) or written to (WRITE)."""

    def on_tick(self, now: float) -> None:
        """Some time has passed."""

    def on_defect(self) -> None:
        """One of the above raised, which is in the log: end what cannot go on."""


class Loop:
    """Watches sockets and runs what is posted; all but `post` and `stop` in its own thread.

    `buffer` is for whoever is reading right now.
    """

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(RECEIVE_BYTES))
        self._selector = selectors.DefaultSelector()
        self._watched: dict[socket.socket, tuple[int, Watcher]] = {}
        self._posted: deque[Callable[[], None]] = deque()
        self._waking, self._wakes = socket.socketpair()
        self._is_woken = False
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="dicom-loop", daemon=True)
        for end in (self._waking, self._wakes):
            end.setblocking(False)
        self._selector.register(self._wakes, READ)

    def start(self) -> None:
        """Begin to watch, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching, and return when the thread has ended; nobody's socket is closed."""

        def end() -> None:
            self._stopped = True

        self.post(end)
        self._thread.join()
        self.close()

    def close(self) -> None:
        """Give back what it holds; for a loop that does not run."""
        self._selector.close()
        self._waking.close()
        self._wakes.close()

    def post(self, call: Callable[[], None]) -> None:
        """Have the loop's thread call it soon, from any thread."""
        self._posted.append(call)
        if not self._is_woken and threading.current_thread() is not self._thread:
            self._is_woken = True
            self._waking.send(b"\0")

    def watch(self, connection: socket.socket, mask: int, watcher: Watcher) -> None:
        """Tell `watcher` when the socket is ready for `mask`; 0: leave it alone for now."""
        known, _ = self._watched.get(connection, (0, watcher))
        self._watched[connection] = mask, watcher
        if known == mask:
            return
        if known == 0:
            self._selector.register(connection, mask, watcher)
        elif mask == 0:
            self._selector.unregister(connection)
        else:
            self._selector.modify(connection, mask, watcher)

    def forget(self, connection: socket.socket) -> None:
        """Stop watching a socket that is about to be closed."""
        mask, _ = self._watched.pop(connection, (0, None))
        if mask:
            self._selector.unregister(connection)

    def _run(self) -> None:
        due = time.monotonic() + _TICK_S
        while not self._stopped:
            has_timers = bool(self._watched)
            wait = max(0.0, due - time.monotonic()) if has_timers else None
            ready = self._selector.select(0 if self._posted else wait)
            now = time.monotonic()
            for key, mask in ready:
                if key.data is None:
                    self._wakes.recv(64)
                    self._is_woken = False
                else:
                    if not _guarded(key.data.on_ready, mask, now):
                        _guarded(key.data.on_defect)
            for _ in range(len(self._posted)):
                _guarded(self._posted.popleft())
            if now >= due:
                for _, watcher in list(self._watched.values()):
                    if not _guarded(watcher.on_tick, now):
                        _guarded(watcher.on_defect)
                due = now + _TICK_S


def _guarded(call: Callable[..., None], *arguments: object) -> bool:
    """Whether it went well; a defect in one association's code must not end all others'.

    The defect's text may quote a dataset, so that only its place is logged.
    """
    try:
        call(*arguments)
    except Exception as error:
        places = [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
        fields = {"action": "node.error", "exception": type(error).__name__, "at": places}
        _log.error("unexpected %s in the node's loop", type(error).__name__, extra=fields)
        return False
    return True
