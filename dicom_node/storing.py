"""Answers one C-STORE request: status and log line, whatever happens inside.

0x0000 is said only after the receiver has returned. Nothing that a dataset holds is logged but UIDs
that passed the check.
"""

import logging
import time
import traceback

from pydicom.dataset import Dataset
from pynetdicom.events import Event

from dicom_node.commands import announced_object, require_usable
from dicom_node.errors import CannotUnderstand, DicomError, OutOfResources
from dicom_node.observer import NodeObserver
from dicom_node.peers import clean_ae_title
from dicom_node.receive import AnnouncedObject, Receiver
from dicom_node.uids import is_uid

SUCCESS = 0x0000
_MAX_COMMENT_LENGTH = 64
_log = logging.getLogger("precuneus.node")


class StoreHandler:
    """The node's EVT_C_STORE handler; called from many association threads at once."""

    def __init__(self, receiver: Receiver, observer: NodeObserver) -> None:
        self._receiver = receiver
        self._observer = observer

    def __call__(self, event: Event) -> int | Dataset:
        """Store the request's object and return its DIMSE status (PS3.4 B.2.3)."""
        started = time.perf_counter()
        self._observer.received()
        calling = clean_ae_title(event.assoc.requestor.ae_title)
        announced = announced_object(event)
        try:
            require_usable(announced)
            registration, _ = self._receiver.receive(
                _dataset_bytes(event),
                transfer_syntax_uid=str(event.context.transfer_syntax),
                source=calling,
                announced=announced,
            )
        except Exception as error:
            return self._refuse(_as_dicom_error(error), announced, calling)
        seconds = time.perf_counter() - started
        self._observer.stored(seconds)
        _log.info(
            "object %s",
            registration.value,
            extra={
                "action": f"store.{registration.value}",
                "sop_instance_uid": announced.sop_instance_uid,
                "calling_ae_title": calling,
                "status": f"0x{SUCCESS:04X}",
                "seconds": round(seconds, 4),
            },
        )
        return SUCCESS

    def _refuse(self, error: DicomError, announced: AnnouncedObject, calling: str) -> Dataset:
        """Log and count a refusal; the response says the reason in its Error Comment."""
        self._observer.refused(error.status)
        uid = announced.sop_instance_uid
        _log.warning(
            "object refused: %s",
            error,
            extra={
                "action": "store.refused",
                "sop_instance_uid": uid if is_uid(uid) else None,
                "calling_ae_title": calling,
                "status": f"0x{error.status:04X}",
                "reason": str(error),
            },
        )
        response = Dataset()
        response.Status = error.status
        response.ErrorComment = str(error)[:_MAX_COMMENT_LENGTH]
        return response


def _dataset_bytes(event: Event) -> bytes:
    if getattr(event.request, "DataSet", None) is None:
        raise CannotUnderstand("the request carries no dataset")
    return bytes(event.encoded_dataset(include_meta=False))


def _as_dicom_error(error: Exception) -> DicomError:
    """What the peer is told; a defect of ours is logged by its place, not by its text.

    The text of an unexpected error may quote the dataset.
    """
    if isinstance(error, DicomError):
        return error
    if isinstance(error, MemoryError):
        return OutOfResources("the node's memory is too small for the object")
    places = [
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    kind = type(error).__name__
    _log.error(
        "unexpected %s while storing",
        kind,
        extra={"action": "store.error", "exception": kind, "at": places},
    )
    return CannotUnderstand("an error in the node; its log has the place")
