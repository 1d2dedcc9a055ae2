"""Answers N-ACTION on pynetdicom's server; what it means is `TakeRequest`'s business."""

import logging

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.events import Event, EventHandlerType

from dicom_node.commitment import ActionRequest, CommitmentRefused, TakeRequest
from dicom_node.peers import clean_ae_title

_log = logging.getLogger("precuneus.node")


def commitment_handlers(take: TakeRequest) -> list[EventHandlerType]:
    """What a `StorageNode` needs to answer storage commitment requests."""

    def answer(event: Event) -> tuple[Dataset, None]:
        return _answer(event, take), None

    return [(evt.EVT_N_ACTION, answer)]


def _answer(event: Event, take: TakeRequest) -> Dataset:
    calling = clean_ae_title(event.assoc.requestor.ae_title)
    response = Dataset()
    response.Status = 0x0000
    try:
        instance_uid = str(getattr(event.request, "RequestedSOPInstanceUID", None) or "")
        take(
            ActionRequest(
                calling, instance_uid, int(event.action_type or 0), event.action_information
            )
        )
    except CommitmentRefused as error:
        fields = {"action": "commitment.refused", "calling_ae_title": calling}
        _log.warning("storage commitment refused: %s", error, extra=fields)
        response.Status = error.status
        response.ErrorComment = str(error)[:64]
    return response
