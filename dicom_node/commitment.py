"""Storage Commitment Push Model: what is asked for, and how the answer is written (PS3.4 Annex J).

Knows no server and no database: a request is read from its dataset, a result becomes one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID

from dicom_node.errors import DicomError
from dicom_node.statuses import ActionStatus, FailureReason
from dicom_node.uids import is_uid
from dicom_node.values import text_of, value_of

WELL_KNOWN_INSTANCE = "1.2.840.10008.1.20.1.1"
REQUEST_COMMITMENT = 1
"""The one Action Type ID (PS3.4 J.3.2.1)."""

MAX_REFERENCES = 200_000
"""Of one request."""

_ALL_COMMITTED, _FAILURES_EXIST = 1, 2


class CommitmentRefused(DicomError):
    """The request is not taken; `status` is the N-ACTION response's (PS3.7 10.1.4.1.10)."""

    def __init__(self, status: ActionStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class ReferencedObject:
    """An object that a peer wants to be sure of."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True)
class ActionRequest:
    """An N-ACTION request: the association's calling AE title, and the command's facts."""

    calling_ae_title: str
    sop_instance_uid: str
    action_type: int
    information: Dataset


@dataclass(frozen=True)
class CommitmentRequest:
    """What a peer wants to know, under a transaction UID of its own."""

    transaction_uid: str
    references: tuple[ReferencedObject, ...]


@dataclass(frozen=True)
class CommitmentResult:
    """Which objects are stored, and which are not, with the Failure Reason of each."""

    transaction_uid: str
    committed: tuple[ReferencedObject, ...]
    failed: tuple[tuple[ReferencedObject, FailureReason], ...]


TakeRequest = Callable[[ActionRequest], None]
"""Takes a request on; raises CommitmentRefused, and nothing else, where it does not."""


def read_request(request: ActionRequest) -> CommitmentRequest:
    """What an N-ACTION asks for.

    Raises:
        CommitmentRefused: it is no commitment request, or an element is missing or malformed.
    """
    if request.sop_instance_uid != WELL_KNOWN_INSTANCE:
        raise CommitmentRefused(
            ActionStatus.NO_SUCH_INSTANCE, "no such SOP Instance: the well-known one is meant"
        )
    if request.action_type != REQUEST_COMMITMENT:
        raise CommitmentRefused(
            ActionStatus.NO_SUCH_ACTION, "no such action: 1 requests storage commitment"
        )
    transaction_uid = text_of(request.information, "TransactionUID", 256) or ""
    items = list(value_of(request.information, "ReferencedSOPSequence") or ())
    if not transaction_uid or not items:
        raise CommitmentRefused(
            ActionStatus.MISSING_ATTRIBUTE, "Transaction UID or Referenced SOP Sequence is missing"
        )
    if not is_uid(transaction_uid):
        raise CommitmentRefused(ActionStatus.INVALID_ARGUMENT, "the Transaction UID is not a UID")
    if len(items) > MAX_REFERENCES:
        raise CommitmentRefused(
            ActionStatus.OUT_OF_RESOURCES, "the request names more objects than we look for"
        )
    return CommitmentRequest(transaction_uid, tuple(map(_reference, items)))


def _reference(item: Any) -> ReferencedObject:
    sop_class_uid = text_of(item, "ReferencedSOPClassUID", 256) or ""
    sop_instance_uid = text_of(item, "ReferencedSOPInstanceUID", 256) or ""
    if not is_uid(sop_class_uid) or not is_uid(sop_instance_uid):
        raise CommitmentRefused(
            ActionStatus.INVALID_ARGUMENT, "a referenced SOP Class or Instance UID is not a UID"
        )
    return ReferencedObject(sop_class_uid, sop_instance_uid)


def decode_information(data: bytes, transfer_syntax_uid: str) -> Dataset:
    """The Action Information of a request, from its bytes.

    Raises:
        CommitmentRefused: they cannot be parsed.
    """
    syntax = UID(transfer_syntax_uid)
    try:
        return read_dataset(BytesIO(data), syntax.is_implicit_VR, syntax.is_little_endian)
    except MemoryError:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise CommitmentRefused(
            ActionStatus.PROCESSING_FAILURE, f"the request cannot be parsed ({kind})"
        ) from None


def event_report(result: CommitmentResult) -> tuple[int, Dataset]:
    """The Event Type ID and the Event Information of a result (PS3.4 J.3.3)."""
    information = Dataset()
    information.TransactionUID = result.transaction_uid
    if result.committed:
        information.ReferencedSOPSequence = [_item(reference) for reference in result.committed]
    if not result.failed:
        return _ALL_COMMITTED, information
    information.FailedSOPSequence = []
    for reference, reason in result.failed:
        item = _item(reference)
        item.FailureReason = int(reason)
        information.FailedSOPSequence.append(item)
    return _FAILURES_EXIST, information


def _item(reference: ReferencedObject) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    return item
