"""Makes whole objects count, many at a time: headers, syncs side by side, then one commit for all.

Every object gets exactly one outcome, and only then is its peer answered. Nothing here blocks the
thread that receives.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue

from dicom_node.errors import DicomError
from dicom_node.incoming import IncomingFile
from dicom_node.receive import AnnouncedObject, Outcome, ReceivedObject, Receiver
from dicom_node.unexpected import unexpected

# More would not make a disk faster; each waits for the disk, not for a processor.
_SYNCERS = 8
_MAX_GROUP = 256


class _NotOnDisk(Exception):
    """A file of the group could not be synced."""


@dataclass(eq=False)
class _Arrival:
    """An object whose dataset has come whole; `on_disk` is set once its file's fate is known."""

    file: IncomingFile
    announced: AnnouncedObject
    source: str
    done: Callable[[Outcome], None]
    received: ReceivedObject | None = None
    failure: DicomError | None = None
    on_disk: threading.Event = field(default_factory=threading.Event)


class Committer:
    """Threads that sync files and one that registers them; `submit` never waits."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._arrived: SimpleQueue[_Arrival | None] = SimpleQueue()
        self._examined: SimpleQueue[_Arrival | None] = SimpleQueue()
        self._syncers = [
            threading.Thread(target=self._sync, name=f"dicom-sync-{number}", daemon=True)
            for number in range(_SYNCERS)
        ]
        self._registrar = threading.Thread(
            target=self._register, name="dicom-register", daemon=True
        )

    def start(self) -> None:
        """Begin to work."""
        for thread in (*self._syncers, self._registrar):
            thread.start()

    def submit(
        self,
        file: IncomingFile,
        announced: AnnouncedObject,
        source: str,
        done: Callable[[Outcome], None],
    ) -> None:
        """Take over a file whose dataset is whole; `done` is called in another thread."""
        self._arrived.put(_Arrival(file, announced, source, done))

    def close(self) -> None:
        """Finish what was submitted, and end the threads."""
        for _ in self._syncers:
            self._arrived.put(None)
        for thread in self._syncers:
            thread.join()
        self._examined.put(None)
        self._registrar.join()

    def _sync(self) -> None:
        while (arrival := self._arrived.get()) is not None:
            try:
                arrival.received = self._receiver.examine(
                    arrival.file, arrival.announced, arrival.source
                )
            except Exception as error:
                _without_fail(arrival.file.discard)
                _answer(arrival, _as_dicom_error(error))
                continue
            # Its rows are written while its bytes are.
            self._examined.put(arrival)
            try:
                arrival.file.complete()
            except Exception as error:
                arrival.failure = _as_dicom_error(error)
            arrival.on_disk.set()

    def _register(self) -> None:
        while (first := self._examined.get()) is not None:
            group = [first]
            while len(group) < _MAX_GROUP and not self._examined.empty():
                another = self._examined.get()
                if another is None:
                    self._examined.put(None)
                    break
                group.append(another)
            self._settle(group)

    def _settle(self, group: Sequence[_Arrival]) -> None:
        """Register a group; those whose files failed are left out, and the others tried again."""
        try:
            outcomes = self._outcomes(group)
        except _NotOnDisk:
            for arrival in group:
                if arrival.failure is not None:
                    _answer(arrival, arrival.failure)
            self._settle([arrival for arrival in group if arrival.failure is None])
            return
        for arrival, outcome in zip(group, outcomes, strict=True):
            self._end(arrival, outcome)

    def _outcomes(self, group: Sequence[_Arrival]) -> Sequence[Outcome]:
        objects = [arrival.received for arrival in group if arrival.received is not None]

        def on_disk() -> None:
            for arrival in group:
                arrival.on_disk.wait()
            if any(arrival.failure for arrival in group):
                raise _NotOnDisk

        if not objects:
            return []
        try:
            outcomes = self._receiver.register_group(objects, on_disk)
            if len(outcomes) != len(objects):
                raise RuntimeError("not every object has an outcome")
        except _NotOnDisk:
            raise
        except Exception as error:
            return [unexpected(error, "registering")] * len(objects)
        return outcomes

    def _end(self, arrival: _Arrival, outcome: Outcome) -> None:
        # A file that is still being synced would outlive its removal.
        arrival.on_disk.wait()
        received = arrival.received
        if received is not None and arrival.failure is None:
            _without_fail(lambda: self._receiver.drop_unreferred(received, outcome))
        _answer(arrival, outcome)


def _answer(arrival: _Arrival, outcome: Outcome) -> None:
    _without_fail(lambda: arrival.done(outcome))


def _without_fail(call: Callable[[], None]) -> None:
    """A thread that all objects pass through must outlive a defect in what it calls."""
    try:
        call()
    except Exception as error:
        unexpected(error, "ending a request")


def _as_dicom_error(error: Exception) -> DicomError:
    return error if isinstance(error, DicomError) else unexpected(error, "storing")
