"""C-MOVE and C-GET in the study root model: asks a peer to send what it has (PS3.4 C.4.2, C.4.3).

What C-GET brings is stored by a receiver, durably before the sub-operation is answered.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pynetdicom import build_role, evt
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext, build_context

from dicom_node.contexts import STORAGE_SOP_CLASSES
from dicom_node.errors import CannotUnderstand, DicomError, MoveDestinationUnknown
from dicom_node.receive import AnnouncedObject, Receiver
from dicom_node.requesting.address import PeerAddress
from dicom_node.requesting.associating import associated
from dicom_node.requesting.finding import UNCOMPRESSED
from dicom_node.requesting.reactor import ask
from dicom_node.statuses import Status, StoreStatus

STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
MAX_SOP_CLASSES = 10
"""So many classes in all their transfer syntaxes fit into the 128 contexts of an association."""

RETRIEVE_KEYS = {
    "SERIES": ("StudyInstanceUID", "SeriesInstanceUID"),
    "IMAGE": ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
}
"""The unique keys of a retrieval, by its level."""

_DESTINATION_UNKNOWN = 0xA801
COMPRESSED = (
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.203",
    "1.2.840.10008.1.2.5",
)
# What a head's study is made of, for a peer that does not say its SOP classes.
USUAL_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.4.1",
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.88.59",
    "1.2.840.10008.5.1.4.1.1.11.1",
    "1.2.840.10008.5.1.4.1.1.128",
)
_log = logging.getLogger("precuneus.pull")


@dataclass(frozen=True)
class Wanted:
    """A series, or instances of it; empty `sop_instance_uids` is the whole series."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uids: tuple[str, ...] = ()
    sop_class_uids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Retrieved:
    """How a retrieval ended: its status, None without an answer, and how many objects were sent."""

    status: int | None
    completed: int = 0
    failed: int = 0

    @property
    def reason(self) -> str:
        """What went wrong, in words; empty where nothing did."""
        if self.status is None:
            return "the peer did not end its answer"
        if self.failed:
            return f"{self.failed} objects could not be sent (0x{self.status:04X})"
        return "" if self.status == 0x0000 else f"the peer answered 0x{self.status:04X}"


def accepted_services(address: PeerAddress) -> frozenset[str]:
    """Which of C-MOVE and C-GET (their SOP classes) a peer negotiates.

    Raises:
        AssociationFailed: it takes neither, or cannot be reached.
    """
    models = [build_context(uid, UNCOMPRESSED) for uid in (STUDY_ROOT_MOVE, STUDY_ROOT_GET)]
    with associated(address, models) as association:
        return frozenset(str(context.abstract_syntax) for context in association.accepted_contexts)


def move(address: PeerAddress, wanted: Wanted) -> Retrieved:
    """Have the peer send what is wanted to our node, which it must know by our AE title.

    Raises:
        AssociationFailed: the peer does not take C-MOVE just now.
        MoveDestinationUnknown: it does not know our AE title.
    """
    with associated(address, [build_context(STUDY_ROOT_MOVE, UNCOMPRESSED)]) as association:
        arguments = _identifier(wanted), address.calling_ae_title, STUDY_ROOT_MOVE
        retrieved = _outcome(ask(association, association.send_c_move, *arguments))
    if retrieved.status == _DESTINATION_UNKNOWN:
        raise MoveDestinationUnknown(
            f"the peer does not know {address.calling_ae_title} as a move destination (0xA801): "
            "enter it there, with this host's address and port"
        )
    return retrieved


def get(address: PeerAddress, wanted: Wanted, receiver: Receiver) -> Retrieved:
    """Fetch what is wanted over the association that asks for it, and store it.

    Raises:
        AssociationFailed: the peer does not take C-GET just now.
    """
    classes = list(dict.fromkeys(wanted.sop_class_uids or USUAL_CLASSES))[:MAX_SOP_CLASSES]
    usable = [uid for uid in classes if uid in STORAGE_SOP_CLASSES]
    contexts = [build_context(STUDY_ROOT_GET, UNCOMPRESSED), *_storage_contexts(usable)]

    def store(event: Event) -> Dataset | int:
        return _store(event, receiver, address.called_ae_title)

    with associated(
        address,
        contexts,
        handlers=[(evt.EVT_C_STORE, store)],
        roles=[build_role(uid, scp_role=True) for uid in usable],
    ) as association:
        arguments = _identifier(wanted), STUDY_ROOT_GET
        return _outcome(ask(association, association.send_c_get, *arguments))


def _storage_contexts(classes: Sequence[str]) -> list[PresentationContext]:
    """A context for each compressed syntax: the peer can then send every object as it has it."""
    plain = [build_context(uid, UNCOMPRESSED) for uid in classes]
    return plain + [build_context(uid, syntax) for uid in classes for syntax in COMPRESSED]


def _identifier(wanted: Wanted) -> Dataset:
    level = "IMAGE" if wanted.sop_instance_uids else "SERIES"
    values: dict[str, str | list[str]] = {
        "StudyInstanceUID": wanted.study_instance_uid,
        "SeriesInstanceUID": wanted.series_instance_uid,
        "SOPInstanceUID": list(wanted.sop_instance_uids),
    }
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword in RETRIEVE_KEYS[level]:
        setattr(identifier, keyword, values[keyword])
    return identifier


def _outcome(responses: Iterable[tuple[Dataset, Dataset | None]]) -> Retrieved:
    """The last response's status and counts; earlier ones only say that it goes on."""
    completed = failed = 0
    status = None
    for response, _ in responses:
        status = response.get("Status")
        completed = int(response.get("NumberOfCompletedSuboperations") or completed)
        failed = int(response.get("NumberOfFailedSuboperations") or failed)
    return Retrieved(status, completed, failed)


def _store(event: Event, receiver: Receiver, source: str) -> Dataset | int:
    """Answer a C-STORE sub-operation; what is not stored is not acknowledged."""
    request = event.request
    announced = AnnouncedObject(
        str(getattr(request, "AffectedSOPClassUID", None) or ""),
        str(getattr(request, "AffectedSOPInstanceUID", None) or ""),
    )
    try:
        if getattr(request, "DataSet", None) is None:
            raise CannotUnderstand("the request carries no dataset")
        receiver.receive(
            bytes(event.encoded_dataset(include_meta=False)),
            transfer_syntax_uid=str(event.context.transfer_syntax),
            source=source,
            announced=announced,
        )
    except DicomError as error:
        return _refusal(error.status, str(error))
    except Exception as error:
        # Its text may quote the dataset, and pynetdicom's own log is off.
        return _refusal(
            StoreStatus.CANNOT_UNDERSTAND, f"an error in the node ({type(error).__name__})"
        )
    return StoreStatus.SUCCESS


def _refusal(status: Status, reason: str) -> Dataset:
    fields = {"action": "pull.refused", "status": f"0x{status:04X}", "reason": reason}
    _log.warning("object not stored: %s", reason, extra=fields)
    response = Dataset()
    response.Status = int(status)
    response.ErrorComment = reason[:64]
    return response
