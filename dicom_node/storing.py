"""Answers C-STORE requests (PS3.4 Annex B): the dataset goes to its file as it comes.

0x0000 is said only after file and registration are durable. Nothing that a dataset holds is logged
but UIDs that passed the check.
"""

import logging
import time
from dataclasses import dataclass

from dicom_node.committing import Committer
from dicom_node.contexts import STORAGE_SOP_CLASSES
from dicom_node.errors import CannotUnderstand, DatasetMismatch, DicomError, OutOfResources
from dicom_node.incoming import IncomingFile
from dicom_node.observer import NodeObserver
from dicom_node.receive import AnnouncedObject, Outcome, Receiver, Registration
from dicom_node.uids import MAX_UID_LENGTH, is_uid
from dicom_node.unexpected import unexpected
from dicom_node.upper_layer.command_set import AFFECTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID
from dicom_node.upper_layer.services import SUCCESS, Answer, Request, Response
from dicom_node.upper_layer.violations import InvalidMessage

# How often the free space is asked for: at each object, and each time that many bytes have come.
_SPACE_STEP = 16 << 20
# No disk takes in that time what is to stay free.
_SPACE_KNOWN_S = 0.05
_log = logging.getLogger("precuneus.node")


@dataclass(frozen=True)
class StorageLimits:
    """The largest dataset that is taken, and what stays free on the objects' disk, in bytes."""

    object_bytes: int = 4 << 30
    free_bytes: int = 0


class StoreService:
    """Begins C-STORE operations; used by the loop's thread."""

    def __init__(
        self,
        receiver: Receiver,
        committer: Committer,
        observer: NodeObserver,
        limits: StorageLimits,
    ) -> None:
        self.receiver = receiver
        self.committer = committer
        self.observer = observer
        self.limits = limits
        self._asked_at = -_SPACE_KNOWN_S

    def __call__(self, request: Request) -> "StoreOperation":
        """A C-STORE request has come; its dataset follows."""
        return StoreOperation(self, request)

    def require_space(self) -> None:
        """Refuse before the disk is full: database and logs need it, too.

        Raises:
            OutOfResources: less is free than shall stay free.
        """
        now = time.monotonic()
        if not self.limits.free_bytes or now < self._asked_at + _SPACE_KNOWN_S:
            return
        try:
            free = self.receiver.free_bytes()
        except OSError:
            raise OutOfResources("the objects' disk does not answer") from None
        if free < self.limits.free_bytes:
            kept = self.limits.free_bytes >> 20
            raise OutOfResources(f"the objects' disk has less than {kept} MiB left")
        self._asked_at = now


class StoreOperation:
    """One C-STORE: an object that is refused is read to its end, so that the peer can be told."""

    def __init__(self, service: StoreService, request: Request) -> None:
        self._service = service
        self._calling = request.calling_ae_title
        self._announced = AnnouncedObject(
            request.command.text(AFFECTED_SOP_CLASS_UID),
            request.command.text(AFFECTED_SOP_INSTANCE_UID),
        )
        self._file: IncomingFile | None = None
        self._refusal: DicomError | None = None
        self._size = 0
        self._space_known_to = _SPACE_STEP
        self._has_dataset = request.command.has_dataset
        self._finished_at = 0.0
        try:
            _require_usable(self._announced)
            service.require_space()
            self._file = service.receiver.begin(
                self._announced,
                transfer_syntax_uid=request.context.transfer_syntax,
                source=self._calling,
            )
        except Exception as error:
            self._refuse(error)

    def write(self, piece: memoryview) -> None:
        """As `Operation` says.

        Raises:
            InvalidMessage: twice as much came as the largest object may have.
        """
        self._size += len(piece)
        most = self._service.limits.object_bytes
        if self._size > 2 * most:
            raise InvalidMessage("a dataset without an end")
        if self._file is None:
            return
        try:
            if self._size > most:
                raise CannotUnderstand(f"the object is larger than {most >> 20} MiB")
            if self._size > self._space_known_to:
                self._space_known_to = self._size + _SPACE_STEP
                self._service.require_space()
            self._file.write(piece)
        except Exception as error:
            self._refuse(error)

    def flush(self) -> None:
        """As `Operation` says."""
        try:
            if self._file is not None:
                self._file.flush()
        except Exception as error:
            self._refuse(error)

    def finish(self, answer: Answer) -> None:
        """As `Operation` says."""
        self._finished_at = time.perf_counter()
        self._service.observer.received()
        file, self._file = self._file, None
        if file is None or not self._has_dataset:
            if file is not None:
                file.discard()
            none = CannotUnderstand("the request carries no dataset")
            self._answer(self._refusal or none, answer)
            return
        self._service.committer.submit(
            file, self._announced, self._calling, lambda outcome: self._answer(outcome, answer)
        )

    def abandon(self) -> None:
        """As `Operation` says."""
        if self._file is not None:
            self._file.discard()
            self._file = None

    def _refuse(self, error: Exception) -> None:
        self._refusal = error if isinstance(error, DicomError) else unexpected(error, "storing")
        self.abandon()

    def _answer(self, outcome: Outcome, answer: Answer) -> None:
        """Log, count and answer, in this order: who is answered finds the record."""
        try:
            if isinstance(outcome, DicomError):
                self._tell_refused(outcome)
            else:
                self._tell_stored(outcome)
        finally:
            answer(_response(outcome))

    def _tell_stored(self, registration: Registration) -> None:
        seconds = time.perf_counter() - self._finished_at
        self._service.observer.stored(seconds)
        # What is new has a row, and its association a line with their number.
        level = logging.DEBUG if registration is Registration.STORED else logging.INFO
        if not _log.isEnabledFor(level):
            return
        _log.log(
            level,
            "object %s",
            registration.value,
            extra={
                "action": f"store.{registration.value}",
                "sop_instance_uid": self._announced.sop_instance_uid,
                "calling_ae_title": self._calling,
                "status": f"0x{SUCCESS:04X}",
                "seconds": round(seconds, 4),
            },
        )

    def _tell_refused(self, error: DicomError) -> None:
        """Log and count a refusal; the response says the reason in its Error Comment."""
        self._service.observer.refused(error.status)
        uid = self._announced.sop_instance_uid
        _log.warning(
            "object refused: %s",
            error,
            extra={
                "action": "store.refused",
                "sop_instance_uid": uid if is_uid(uid) else None,
                "calling_ae_title": self._calling,
                "status": f"0x{error.status:04X}",
                "reason": str(error),
            },
        )


def _response(outcome: Outcome) -> Response:
    if isinstance(outcome, DicomError):
        return Response(outcome.status, str(outcome))
    return Response(SUCCESS)


def _require_usable(announced: AnnouncedObject) -> None:
    """Refuse a command that names no storage SOP class or no object (PS3.7 9.1.1)."""
    is_named = 0 < len(announced.sop_instance_uid) <= MAX_UID_LENGTH
    if announced.sop_class_uid not in STORAGE_SOP_CLASSES or not is_named:
        raise DatasetMismatch("the command names no storage SOP Class UID or no SOP Instance UID")
