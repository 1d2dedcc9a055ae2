"""Reads the C-STORE command's UIDs, and sees to it that a broken one is answered (PS3.7 9.1.1).

pynetdicom drops the whole association over a command whose UIDs it cannot use; all that the peer
meant to send after it would be lost.
"""

from pydicom.dataset import Dataset
from pynetdicom.events import Event

from dicom_node.contexts import STORAGE_SOP_CLASSES
from dicom_node.errors import DatasetMismatch
from dicom_node.receive import AnnouncedObject
from dicom_node.uids import MAX_UID_LENGTH

_C_STORE_REQUEST = 0x0001
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
# What stands in for a UID that cannot be used. No dataset can match it.
_UNUSABLE = "unusable"


def admit(event: Event) -> None:
    """On EVT_DIMSE_RECV: make a C-STORE command with unusable UIDs reach the store handler."""
    command = event.message.command_set
    if command.get("CommandField") != _C_STORE_REQUEST:
        return
    sop_class_uid = _uid(command, "AffectedSOPClassUID")
    sop_instance_uid = _uid(command, "AffectedSOPInstanceUID")
    if sop_class_uid in STORAGE_SOP_CLASSES and 0 < len(sop_instance_uid) <= MAX_UID_LENGTH:
        return
    command.AffectedSOPClassUID = _SECONDARY_CAPTURE
    command.AffectedSOPInstanceUID = _UNUSABLE


def announced_object(event: Event) -> AnnouncedObject:
    """What an EVT_C_STORE says it brings."""
    command = event.request
    return AnnouncedObject(
        str(getattr(command, "AffectedSOPClassUID", "")).strip(" \0"),
        str(getattr(command, "AffectedSOPInstanceUID", "")).strip(" \0"),
    )


def require_usable(announced: AnnouncedObject) -> None:
    """Raise DatasetMismatch where the command named no storage class or no object."""
    if announced.sop_instance_uid == _UNUSABLE:
        raise DatasetMismatch("the command names no storage SOP Class UID or no SOP Instance UID")


def _uid(command: Dataset, keyword: str) -> str:
    return str(command.get(keyword) or "").strip(" \0")
