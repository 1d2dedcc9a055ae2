"""Makes whole objects count, many at a time: one commit for all that wait.

The disk writes while headers are read and rows are made. Every object gets exactly one outcome, and
only then is its peer answered. Nothing here blocks the thread that receives.
"""

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from dicom_node.arrival import Arrival
from dicom_node.errors import DicomError, OutOfResources, TooManyElements
from dicom_node.incoming import IncomingFile
from dicom_node.receive import AnnouncedObject, Outcome, Receiver
from dicom_node.syncing import Syncers
from dicom_node.unexpected import as_dicom_error, unexpected
from dicom_node.walking import MAX_ELEMENTS

_MAX_GROUP = 256
# More would hold up the answers to those who are committed.
_AHEAD = 4
# Synced by itself about as quickly as the database answers.
_SMALL_BYTES = 256 << 10
# A header of more elements is read elsewhere: some take seconds, and all others would wait.
_USUAL_ELEMENTS = 4096


class _NotOnDisk(Exception):
    """A file of the group could not be synced."""


class Committer:
    """A thread that registers what others may have prepared; `submit` never waits."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._unregistered: SimpleQueue[Arrival | None] = SimpleQueue()
        self._unusual: SimpleQueue[Arrival | None] = SimpleQueue()
        self._syncers = Syncers(then=self._unregistered.put)
        self._entrance = threading.Lock()
        self._is_closed = False
        self._is_idle = True
        self._ahead: list[Arrival] = []
        self._registrar = threading.Thread(
            target=self._register, name="dicom-register", daemon=True
        )
        self._examiner = threading.Thread(
            target=self._examine_unusual, name="dicom-examine", daemon=True
        )

    def start(self) -> None:
        """Begin to work."""
        self._syncers.start()
        self._registrar.start()
        self._examiner.start()

    def submit(
        self,
        file: IncomingFile,
        announced: AnnouncedObject,
        source: str,
        done: Callable[[Outcome], None],
    ) -> None:
        """Take over a file whose dataset is whole; `done` is called in another thread.

        In this one, with a refusal, where the disk does not take it or the committer is closed.
        """
        arrival = Arrival(file, announced, source, done)
        try:
            # Once only: it is read and synced at the same time.
            file.flush()
            with self._entrance:
                if self._is_closed:
                    raise OutOfResources("the node is stopping")
                self._syncers.submit(arrival, is_alone=self._is_idle)
        except Exception as error:
            _refuse(arrival, as_dicom_error(error))

    def close(self) -> None:
        """Finish what was submitted, and end the threads."""
        with self._entrance:
            self._is_closed = True
        self._syncers.close()
        self._unregistered.put(None)
        self._registrar.join()

    def _register(self) -> None:
        while (group := self._next_group()) is not None:
            self._settle(group)
        self._unusual.put(None)
        self._examiner.join()
        # Whoever is settled has others looked at ahead, and these must be settled, too.
        while rest := self._ahead + self._waiting():
            self._ahead = []
            self._settle(rest)

    def _next_group(self) -> list[Arrival] | None:
        """Whose rows are to be written; waits for somebody, None at the end of the work."""
        ahead, self._ahead = self._ahead, []
        if ahead:
            return ahead + self._examined(self._waiting())
        self._is_idle = True
        first = self._unregistered.get()
        self._is_idle = False
        return None if first is None else self._examined([first, *self._waiting()])

    def _look_ahead(self) -> None:
        """Read the headers of those who come next, while the database commits."""
        if not self._ahead:
            self._ahead = self._examined(self._waiting(_AHEAD))

    def _waiting(self, most: int = _MAX_GROUP - 1) -> list[Arrival]:
        """Who waits to be registered, up to the end of them or of the work."""
        group: list[Arrival] = []
        while len(group) < most and not self._unregistered.empty():
            arrival = self._unregistered.get()
            if arrival is None:
                self._unregistered.put(None)
                break
            group.append(arrival)
        return group

    def _examined(self, group: Sequence[Arrival]) -> list[Arrival]:
        """Those of a group whose header is read now; the unusual come again, others are refused."""
        examined = []
        for arrival in group:
            try:
                if arrival.received is None:
                    self._examine(arrival, _USUAL_ELEMENTS)
                examined.append(arrival)
            except TooManyElements:
                self._unusual.put(arrival)
            except Exception as error:
                _refuse(arrival, as_dicom_error(error))
        return examined

    def _examine_unusual(self) -> None:
        while (arrival := self._unusual.get()) is not None:
            try:
                self._examine(arrival)
            except Exception as error:
                _refuse(arrival, as_dicom_error(error))
            else:
                self._unregistered.put(arrival)

    def _examine(self, arrival: Arrival, max_elements: int = MAX_ELEMENTS) -> None:
        arrival.received = self._receiver.examine(
            arrival.file, arrival.announced, arrival.source, max_elements=max_elements
        )

    def _settle(self, group: Sequence[Arrival]) -> None:
        """Register a group; those whose files failed are left out, and the others tried again."""
        try:
            outcomes = self._outcomes(group)
        except _NotOnDisk:
            for arrival in group:
                if arrival.failure is not None:
                    _refuse(arrival, arrival.failure)
            self._settle([arrival for arrival in group if arrival.failure is None])
            return
        for arrival, outcome in zip(group, outcomes, strict=True):
            self._end(arrival, outcome)

    def _outcomes(self, group: Sequence[Arrival]) -> Sequence[Outcome]:
        objects = [arrival.received for arrival in group if arrival.received is not None]

        def on_disk() -> None:
            for arrival in group:
                arrival.publish()
            if any(arrival.failure for arrival in group):
                raise _NotOnDisk

        if not objects:
            return []
        # Where the disk need hardly be waited for, one message to the database does for two.
        is_on_disk = _is_small(group) or all(arrival.is_synced for arrival in group)
        if is_on_disk:
            on_disk()
        try:
            outcomes = self._receiver.register_group(
                objects, None if is_on_disk else on_disk, self._look_ahead
            )
            if len(outcomes) != len(objects):
                raise RuntimeError("not every object has an outcome")
        except _NotOnDisk:
            raise
        except Exception as error:
            return [_perhaps(unexpected(error, "registering"))] * len(objects)
        return outcomes

    def _end(self, arrival: Arrival, outcome: Outcome) -> None:
        received = arrival.received
        # What was not registered may not have got its name yet.
        arrival.publish()
        if arrival.failure is not None:
            _refuse(arrival, arrival.failure)
            return
        if received is not None:
            _without_fail(lambda: self._receiver.drop_unreferred(received, outcome))
        _answer(arrival, outcome)
        _without_fail(arrival.file.close)


def _is_small(group: Sequence[Arrival]) -> bool:
    return len(group) == 1 and group[0].file.size <= _SMALL_BYTES


def _perhaps(error: DicomError) -> DicomError:
    """An error after which some may be committed all the same, so that their files must stay."""
    if isinstance(error, OutOfResources) and not error.outcome_unknown:
        return OutOfResources(str(error), outcome_unknown=True)
    return error


def _refuse(arrival: Arrival, error: DicomError) -> None:
    """Delete the file, and tell its peer."""
    _without_fail(arrival.file.discard)
    _answer(arrival, error)


def _answer(arrival: Arrival, outcome: Outcome) -> None:
    _without_fail(lambda: arrival.done(outcome))


def _without_fail(call: Callable[[], None]) -> None:
    """A thread that all objects pass through must outlive a defect in what it calls."""
    try:
        call()
    except Exception as error:
        unexpected(error, "ending a request")
