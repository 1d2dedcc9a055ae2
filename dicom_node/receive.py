"""Takes one object in: header, file, registration, in that order; for C-STORE and files alike.

Only what `Receiver.receive` returns may be acknowledged to a peer.
"""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO

from dicom_node.dataset import dataset_source
from dicom_node.errors import (
    CannotUnderstand,
    DatasetMismatch,
    DicomError,
    OutOfResources,
    StoredFileUnreadable,
)
from dicom_node.files import ObjectStore, StoredFile
from dicom_node.header import Header, header_of, read_header
from dicom_node.incoming import IncomingFile
from dicom_node.meta import encode_meta
from dicom_node.uids import checked_uid
from dicom_node.unexpected import unexpected
from dicom_node.walking import MAX_ELEMENTS


class Registration(enum.Enum):
    """What the database made of an object: the first of its kind, the same again, or a rival.

    Or nothing: it was dropped by a rule, which its sender need not know.
    """

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    DROPPED = "dropped"


@dataclass(frozen=True)
class ReceivedObject:
    """A stored object on its way into the database; `source`: calling AE title or "import"."""

    header: Header
    file: StoredFile
    source: str


@dataclass(frozen=True)
class AnnouncedObject:
    """What the C-STORE command says it brings (PS3.7 9.1.1); UIDs without padding, unchecked."""

    sop_class_uid: str
    sop_instance_uid: str


Register = Callable[[ReceivedObject], Registration]
Outcome = Registration | DicomError
OnDisk = Callable[[], None]
Meanwhile = Callable[[], None]
RegisterGroup = Callable[
    [Sequence[ReceivedObject], OnDisk | None, Meanwhile | None], Sequence[Outcome]
]
"""Registers objects together, one commit for all; an outcome for each, in their order.

Where the files are on their way to the disk still, it calls the second argument before it commits,
and before it looks at a file. What that raises comes back to the caller, with nothing registered.
The third, which never raises, may be called while the database commits.
"""


class Receiver:
    """Stores objects and has them registered; safe to call from many threads.

    `register` commits to the database before it returns. It raises `OutOfResources` when the
    database fails, with `outcome_unknown` when the commit may have happened all the same.
    `register_group` does so for many objects at once; without one they are registered singly.
    """

    def __init__(
        self, store: ObjectStore, register: Register, register_group: RegisterGroup | None = None
    ) -> None:
        self._store = store
        self._register = register
        self.register_group = register_group or self._one_by_one

    def receive(
        self,
        dataset: bytes,
        *,
        transfer_syntax_uid: str,
        source: str,
        announced: AnnouncedObject | None = None,
    ) -> tuple[Registration, Header]:
        """Store and register one object; its bytes stay as they are.

        Args:
            dataset: the encoded dataset, without File Meta Information.
            transfer_syntax_uid: how it is encoded.
            source: calling AE title, or "import".
            announced: what the command said, to be compared with the dataset.

        Raises:
            CannotUnderstand: the dataset does not parse or lacks its UIDs; nothing is written.
            DatasetMismatch: it is not what was announced; nothing is written.
            OutOfResources: disk or database failed. No file is left, unless a commit may have
                happened: then it stays, and is registered again at the next start.
        """
        header = read_header(BytesIO(dataset), transfer_syntax_uid=transfer_syntax_uid)
        if announced is not None:
            _compare(header, announced)
        meta = encode_meta(
            sop_class_uid=header.sop_class_uid,
            sop_instance_uid=header.sop_instance_uid,
            transfer_syntax_uid=header.transfer_syntax_uid,
            source=source,
        )
        file = self._store.write([dataset], meta)
        return self._settle(ReceivedObject(header, file, source)), header

    def begin(
        self, announced: AnnouncedObject, *, transfer_syntax_uid: str, source: str
    ) -> IncomingFile:
        """Create the file of an object whose dataset is about to come.

        Raises:
            CannotUnderstand: what the command announces is no UID.
            OutOfResources: the disk does not take it.
        """
        meta = encode_meta(
            sop_class_uid=checked_uid(announced.sop_class_uid, "SOP Class UID"),
            sop_instance_uid=checked_uid(announced.sop_instance_uid, "SOP Instance UID"),
            transfer_syntax_uid=transfer_syntax_uid,
            source=source,
        )
        return self._store.begin(meta, transfer_syntax_uid)

    def examine(
        self,
        file: IncomingFile,
        announced: AnnouncedObject,
        source: str,
        *,
        max_elements: int = MAX_ELEMENTS,
    ) -> ReceivedObject:
        """Read the header of a file whose dataset has come whole, and compare it.

        Its pixels are not read; memory does not grow with it, time no further than `max_elements`.

        Raises:
            TooManyElements: it has more elements; the file is left to the caller.
            CannotUnderstand, DatasetMismatch: as for `receive`; the file is left to the caller.
        """
        found = dataset_source(file.opened(), file.transfer_syntax_uid, file.dataset_offset)
        header = header_of(found, strict=True, max_elements=max_elements)
        _compare(header, announced)
        return ReceivedObject(header, StoredFile(file.name, file.size, file.sha256), source)

    def free_bytes(self) -> int:
        """What the objects' disk still takes; raises OSError when it cannot be asked."""
        return self._store.free_bytes()

    def _settle(self, received: ReceivedObject) -> Registration:
        """Register a file just written, and drop it where nothing can refer to it."""
        try:
            registration = self._register(received)
        except DicomError as error:
            self.drop_unreferred(received, error)
            raise
        self.drop_unreferred(received, registration)
        return registration

    def drop_unreferred(self, received: ReceivedObject, outcome: Outcome) -> None:
        """Remove a file to which, after this outcome, no row refers and none ever will."""
        if isinstance(outcome, OutOfResources) and outcome.outcome_unknown:
            return
        unreferred = (Registration.DUPLICATE, Registration.DROPPED)
        if isinstance(outcome, DicomError) or outcome in unreferred:
            self._store.remove(received.file.name)

    def _one_by_one(
        self,
        group: Sequence[ReceivedObject],
        on_disk: OnDisk | None,
        meanwhile: Meanwhile | None,
    ) -> list[Outcome]:
        if on_disk is not None:
            on_disk()
        outcomes: list[Outcome] = []
        for received in group:
            try:
                outcomes.append(self._register(received))
            except DicomError as error:
                outcomes.append(error)
            except Exception as error:
                outcomes.append(unexpected(error, "registering"))
        return outcomes

    def register_stored(self, name: str) -> tuple[Registration, Header]:
        """Register a complete file without a row again, after a crash or a restored backup.

        The file is never removed, whatever comes of it: it may be all that is left of an
        acknowledged object.

        Raises:
            CannotUnderstand: the file holds no object of ours.
            StoredFileUnreadable: the file cannot be read.
            OutOfResources: the database failed.
        """
        try:
            file, source = self._store.describe(name)
            header = read_header(self._store.path(name))
        except OSError as error:
            kind = type(error).__name__
            raise StoredFileUnreadable(f"the stored file cannot be read ({kind})") from None
        return self._register(ReceivedObject(header, file, source or "unknown")), header


def _compare(header: Header, announced: AnnouncedObject) -> None:
    """Refuse a dataset that is not the object of the command (PS3.4 B.2.3: 0xA900)."""
    pairs = (
        ("SOP Class UID", header.sop_class_uid, announced.sop_class_uid),
        ("SOP Instance UID", header.sop_instance_uid, announced.sop_instance_uid),
    )
    for name, found, expected in pairs:
        if not expected:
            raise CannotUnderstand(f"the command names no {name}")
        if found != expected:
            raise DatasetMismatch(f"{name} of the dataset is not the one that the command names")
