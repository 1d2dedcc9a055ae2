"""Lines of the record that wait to be written: a bounded number, the oldest give way."""

from collections.abc import Iterable
from datetime import datetime
from threading import Lock
from uuid import UUID

from dicom_node.observer import AssociationEvent
from service.associations.record import AssociationRecord, SameKey, record_of, same_key


class PendingRecords:
    """Filled by the node's loop and emptied by the recorder's thread; nobody waits here."""

    def __init__(self, most: int) -> None:
        """`most` lines are kept."""
        self._most = most
        self._lock = Lock()
        self._records: dict[UUID, AssociationRecord] = {}
        self._minute: datetime | None = None
        self._of_minute: dict[SameKey, AssociationRecord] = {}
        self._running: set[UUID] = set()
        self._dropped = 0

    def add(self, event: AssociationEvent) -> None:
        """Take in what became of a peer; replaces what is known of the same association."""
        record = record_of(event)
        with self._lock:
            if record.ended_at is None:
                self._running.add(record.association_id)
            else:
                self._running.discard(record.association_id)
            record = self._joined(record, event.at)
            self._records[record.association_id] = record
            self._drop_oldest()

    def take(self) -> list[AssociationRecord]:
        """All that wait, the oldest first; they wait no more."""
        with self._lock:
            records, self._records = self._records, {}
        return list(records.values())

    def put_back(self, records: Iterable[AssociationRecord]) -> None:
        """Have lines wait again, before what came since; what is known better stays so."""
        with self._lock:
            again = {record.association_id: record for record in records}
            again.update(self._records)
            self._records = again
            self._drop_oldest()

    def take_dropped(self) -> int:
        """How many lines gave way since this was last asked."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        return dropped

    def running(self) -> list[UUID]:
        """The associations that have not ended."""
        with self._lock:
            return list(self._running)

    def _joined(self, record: AssociationRecord, at: datetime) -> AssociationRecord:
        """The record, or the line of its minute that it adds to, though that is written already."""
        key = same_key(record)
        if key is None:
            return record
        minute = at.replace(second=0, microsecond=0)
        if minute != self._minute or len(self._of_minute) >= self._most:
            self._minute, self._of_minute = minute, {}
        known = self._of_minute.get(key)
        joined = record if known is None else known.and_then(record)
        self._of_minute[key] = joined
        return joined

    def _drop_oldest(self) -> None:
        while len(self._records) > self._most:
            del self._records[next(iter(self._records))]
            self._dropped += 1
