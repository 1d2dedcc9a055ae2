"""Asks other nodes: C-ECHO, and C-STORE of files as they are (PS3.4 Annexes A and B).

Used to test a connection and to push the demonstration's studies; it stores and decodes nothing.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from dicom_node.contexts import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from dicom_node.errors import AssociationFailed, DicomError
from dicom_node.header import read_header
from dicom_node.meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.requesting.address import PeerAddress
from dicom_node.requesting.associating import prepare
from dicom_node.requesting.diagnosis import connection_fault, reason_of_failure
from dicom_node.requesting.hearing import Rejections
from dicom_node.requesting.reactor import park
from dicom_node.tls.contexts import PeerTls
from dicom_node.upper_layer.services import SUCCESS

MAX_CONTEXTS = 128
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class EchoResult:
    """Whether the peer answered a C-ECHO with success; `reason` says what happened if not."""

    succeeded: bool
    reason: str = ""


@dataclass(frozen=True)
class SendResult:
    """What a peer said to one file; `status` is None when it was never asked, `reason` says why."""

    path: Path
    sop_instance_uid: str | None
    status: int | None
    reason: str = ""


@dataclass(frozen=True)
class _Outgoing:
    path: Path
    sop_instance_uid: str
    context: tuple[str, str]


def echo(
    host: str, port: int, called_ae_title: str, calling_ae_title: str, tls: PeerTls | None = None
) -> EchoResult:
    """Ask a peer for a sign of life; never raises for what the peer does."""
    contexts = [(VERIFICATION, IMPLICIT_VR_LITTLE_ENDIAN)]
    address = PeerAddress(host, port, called_ae_title, calling_ae_title, tls)
    try:
        association = _associate(address, contexts)
    except AssociationFailed as error:
        return EchoResult(False, str(error))
    park(association)
    try:
        status = association.send_c_echo().get("Status")
    except (RuntimeError, ValueError):
        status = None
    finally:
        association.release()
    if status == SUCCESS:
        return EchoResult(True)
    return EchoResult(False, "the peer did not answer the C-ECHO with success")


def send(
    paths: Iterable[Path],
    host: str,
    port: int,
    called_ae_title: str,
    calling_ae_title: str = "PRECUNEUS",
    tls: PeerTls | None = None,
) -> Iterator[SendResult]:
    """Push DICOM files, each in its own transfer syntax, over as few associations as possible.

    Yields a result for each file, in order within each association; files that cannot be read are
    reported and skipped. Needs `configure_pynetdicom`, by which files are sent as they are.

    Raises:
        AssociationFailed: the peer cannot be reached or refuses the association.
    """
    address = PeerAddress(host, port, called_ae_title, calling_ae_title, tls)
    batch: list[_Outgoing] = []
    for path in paths:
        try:
            outgoing = _outgoing(path)
        except (DicomError, OSError) as error:
            reason = str(error) if isinstance(error, DicomError) else type(error).__name__
            yield SendResult(path, None, None, reason)
            continue
        contexts = {item.context for item in batch} | {outgoing.context}
        if len(contexts) > MAX_CONTEXTS:
            yield from _send_batch(batch, address)
            batch = []
        batch.append(outgoing)
    if batch:
        yield from _send_batch(batch, address)


def _outgoing(path: Path) -> _Outgoing:
    header = read_header(path)
    return _Outgoing(
        path, header.sop_instance_uid, (header.sop_class_uid, header.transfer_syntax_uid)
    )


def _send_batch(batch: list[_Outgoing], address: PeerAddress) -> Iterator[SendResult]:
    contexts = list(dict.fromkeys(item.context for item in batch))
    association = _associate(address, contexts)
    try:
        for item in batch:
            yield _send_one(association, item)
    finally:
        if association.is_established:
            association.release()


def _send_one(association: Association, item: _Outgoing) -> SendResult:
    if not association.is_established:
        return SendResult(item.path, item.sop_instance_uid, None, "the association ended")
    park(association)
    try:
        response = association.send_c_store(item.path)
    except (AttributeError, RuntimeError, ValueError) as error:
        reason = "the peer does not take this SOP class in this transfer syntax"
        if not isinstance(error, ValueError):
            reason = f"could not be sent ({type(error).__name__})"
        return SendResult(item.path, item.sop_instance_uid, None, reason)
    if "Status" not in response:
        return SendResult(item.path, item.sop_instance_uid, None, "no response")
    comment = str(response.get("ErrorComment") or "")
    return SendResult(item.path, item.sop_instance_uid, int(response.Status), comment)


def _associate(address: PeerAddress, contexts: list[tuple[str, str]]) -> Association:
    entity = AE(ae_title=address.calling_ae_title)
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _TIMEOUT_S
    entity.connection_timeout = _TIMEOUT_S
    rejections = Rejections()
    started = time.monotonic()
    try:
        association = entity.associate(
            address.host,
            address.port,
            contexts=[build_context(abstract, syntax) for abstract, syntax in contexts],
            ae_title=address.called_ae_title,
            tls_args=address.tls.arguments if address.tls else None,
            evt_handlers=[(evt.EVT_CONN_OPEN, prepare, [[], _TIMEOUT_S]), rejections.handler],
        )
    except (OSError, ValueError) as error:
        fault = connection_fault(address) or f"it cannot be called ({type(error).__name__})"
        raise AssociationFailed(f"{address}: {fault}") from None
    if association.is_established:
        return association
    reason = reason_of_failure(address, association, rejections, time.monotonic() - started)
    raise AssociationFailed(f"{address}: {reason}")
