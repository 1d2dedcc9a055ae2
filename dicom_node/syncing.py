"""Threads that wait for the disk: who waited last is asked first.

While few objects come the same thread works again and again, and finds what it needs in the
processor's caches; woken in turn, eight threads took a tenth more of the processor.
"""

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

Work = Callable[[], None]


class Syncers:
    """`count` threads; what is submitted must not raise."""

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[Work | None]] = []
        self._backlog: deque[Work] = deque()
        self._queues: list[SimpleQueue[Work | None]] = [SimpleQueue() for _ in range(count)]
        self._threads = [
            threading.Thread(target=self._run, args=(queue,), name=f"dicom-sync-{n}", daemon=True)
            for n, queue in enumerate(self._queues)
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def submit(self, work: Work) -> None:
        """Have it done soon; never waits."""
        with self._lock:
            if not self._idle:
                self._backlog.append(work)
                return
            queue = self._idle.pop()
        queue.put(work)

    def close(self) -> None:
        """Finish what was submitted, and end the threads."""
        for queue in self._queues:
            queue.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self, queue: "SimpleQueue[Work | None]") -> None:
        while (work := self._next(queue)) is not None:
            work()

    def _next(self, queue: "SimpleQueue[Work | None]") -> Work | None:
        """What waits longest, or else what comes next; None at the end."""
        with self._lock:
            if self._backlog:
                return self._backlog.popleft()
            self._idle.append(queue)
        return queue.get()
