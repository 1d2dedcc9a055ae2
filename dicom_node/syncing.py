"""Who waits for the disk, so that no one's commit waits for another one's large file.

The disk begins with an ordinary file at once, and whoever registers it waits for the rest: a thread
between the two takes more of the processor than it saves. While that one is busy with others, the
system syncs those that come, side by side. Large files have threads of their own.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue

from dicom_node.arrival import Arrival
from dicom_node.background_sync import BackgroundSyncs

_LARGE_BYTES = 16 << 20
_LARGE_SYNCERS = 2


class Syncers:
    """Threads that sync large files; `then` gets each arrival, a large one when it is synced."""

    def __init__(self, then: Callable[[Arrival], None]) -> None:
        self._large: SimpleQueue[Arrival | None] = SimpleQueue()
        self._then = then
        self._background = BackgroundSyncs.of_this_system()
        self._threads = [
            threading.Thread(target=self._sync_large, name=f"dicom-sync-{n}", daemon=True)
            for n in range(_LARGE_SYNCERS)
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def submit(self, arrival: Arrival, *, is_alone: bool) -> None:
        """Hand an arrival on, a large one later; never waits for the disk.

        `is_alone`: whoever registers has nothing else to do, and syncs it as soon as anybody.
        """
        if arrival.file.size > _LARGE_BYTES:
            self._large.put(arrival)
        else:
            arrival.file.begin_sync(None if is_alone else self._background)
            self._then(arrival)

    def close(self) -> None:
        """Finish what was submitted, and end the threads."""
        self._large.put(None)
        for thread in self._threads:
            thread.join()

    def _sync_large(self) -> None:
        while (arrival := self._large.get()) is not None:
            arrival.sync()
            self._then(arrival)
        self._large.put(None)  # for the next thread
