"""Threads that wait for the disk, so that nobody else has to.

One thread for ordinary files, which has the disk begin with all that wait before it waits for the
first: a thread for each would not make a disk faster, and takes more of the processor. Large files
have threads of their own: nobody else's commit is to wait for them.
"""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from dicom_node.arrival import Arrival

# With more, the first would wait for all to have begun.
_AT_A_TIME = 8
_LARGE_BYTES = 16 << 20
_LARGE_SYNCERS = 2


class Syncers:
    """The threads; an arrival is `settled` when they are done with it.

    Whoever gets arrivals of large files from `then` does not wait for them.
    """

    def __init__(self, then: Callable[[Arrival], None]) -> None:
        self._ordinary: SimpleQueue[Arrival | None] = SimpleQueue()
        self._large: SimpleQueue[Arrival | None] = SimpleQueue()
        self._then = then
        works = [self._sync_ordinary, *[self._sync_large] * _LARGE_SYNCERS]
        self._threads = [
            threading.Thread(target=work, name=f"dicom-sync-{n}", daemon=True)
            for n, work in enumerate(works)
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def submit(self, arrival: Arrival) -> None:
        """Have a file synced soon, and a large one handed on then; never waits."""
        if arrival.file.size > _LARGE_BYTES:
            self._large.put(arrival)
        else:
            self._ordinary.put(arrival)
            self._then(arrival)

    def close(self) -> None:
        """Finish what was submitted, and end the threads."""
        for queue in (self._ordinary, self._large):
            queue.put(None)
        for thread in self._threads:
            thread.join()

    def _sync_ordinary(self) -> None:
        while (first := self._ordinary.get()) is not None:
            batch = [first, *_waiting(self._ordinary)]
            for arrival in batch:
                arrival.begin_sync()
            for arrival in batch:
                arrival.sync()

    def _sync_large(self) -> None:
        while (arrival := self._large.get()) is not None:
            arrival.sync()
            self._then(arrival)
        self._large.put(None)  # for the next thread


def _waiting(queue: "SimpleQueue[Arrival | None]") -> list[Arrival]:
    """Who else waits, up to the end of the work."""
    found: list[Arrival] = []
    while len(found) < _AT_A_TIME - 1:
        try:
            arrival = queue.get_nowait()
        except Empty:
            break
        if arrival is None:
            queue.put(None)
            break
        found.append(arrival)
    return found
