"""Chooses between C-MOVE and C-GET, with the reason told."""

from dataclasses import dataclass
from typing import Literal

from dicom_node.errors import AssociationFailed, TlsFilesUnusable
from dicom_node.requesting.address import PeerAddress
from dicom_node.requesting.retrieving import STUDY_ROOT_GET, STUDY_ROOT_MOVE, accepted_services
from dicom_node.requesting.verifying import verify
from service.calling import called_host, own_node_tls
from service.dicom_settings import DicomSettings
from service.errors import Unavailable

By = Literal["move", "get"]


@dataclass(frozen=True)
class Method:
    """How objects are fetched, and why so; `other` is what may be tried where it does not work."""

    by: By
    reason: str
    other: By | None = None


def choose_method(address: PeerAddress, own: DicomSettings, asked: By | None) -> Method:
    """C-MOVE where the peer takes it and our node runs, else C-GET; or what is asked for.

    Raises:
        AssociationFailed: the peer cannot be reached, or takes neither.
        Unavailable: what is asked for cannot work, or nothing can.
    """
    accepted = accepted_services(address)
    over_tls = address.tls is not None or not own.plain
    fault = _node_fault(own, over_tls=over_tls) if asked != "get" else ""
    can_move = STUDY_ROOT_MOVE in accepted and not fault
    can_get = STUDY_ROOT_GET in accepted
    if asked == "move" and not can_move:
        raise Unavailable(f"C-MOVE cannot work: {fault or 'the peer does not take it'}.")
    if asked == "get" and not can_get:
        raise Unavailable("C-GET cannot work: the peer does not take it.")
    if asked is not None:
        return Method(asked, "asked for")
    if can_move:
        reason = "the peer takes C-MOVE, and our node runs"
        return Method("move", reason, "get" if can_get else None)
    if can_get:
        return Method("get", fault or "the peer does not take C-MOVE")
    raise Unavailable(f"The peer takes C-MOVE alone, which cannot work: {fault}.")


def _node_fault(own: DicomSettings, *, over_tls: bool) -> str:
    """Why nothing can be moved to our own node; empty where it answers.

    Who is called over TLS is taken to call back over TLS.
    """
    host = called_host(own.host)
    try:
        tls = own_node_tls(own, host) if over_tls else None
        port = own.tls.port if over_tls else own.port
        verify(PeerAddress(host, port, own.ae_title, own.ae_title, tls), timeout_s=10.0)
    except (AssociationFailed, TlsFilesUnusable) as error:
        return f"our own node must run to be moved to ({error})"
    return ""
