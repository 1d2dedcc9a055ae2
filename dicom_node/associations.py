"""Handles the life of associations on the receiving side: what is negotiated, and what is logged.

A refusal always says why, since a wrong AE title looks like a network fault from the other side.
"""

import logging
import socket
from collections.abc import Iterable
from typing import Any

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.presentation import PresentationContext

from dicom_node.commands import admit
from dicom_node.contexts import accepted_contexts
from dicom_node.peers import clean_ae_title
from dicom_node.uids import is_uid

_MAX_LISTED_CONTEXTS = 8
_log = logging.getLogger("precuneus.node")


class AssociationHandlers:
    """The node's handlers for everything around a C-STORE."""

    def __init__(self, ae_title: str, max_associations: int, network_timeout_s: float) -> None:
        self._ae_title = ae_title
        self._max_associations = max_associations
        self._network_timeout_s = network_timeout_s

    def bindings(self) -> list[EventHandlerType]:
        """What to hand to pynetdicom's server."""
        return [
            (evt.EVT_CONN_OPEN, self.tune_socket),
            (evt.EVT_CONN_CLOSE, let_go),
            (evt.EVT_DATA_SENT, acknowledge_at_once),
            (evt.EVT_REQUESTED, self.offer_contexts),
            (evt.EVT_ACCEPTED, self.log_accepted),
            (evt.EVT_REJECTED, self.log_rejected),
            (evt.EVT_ABORTED, self.log_aborted),
            (evt.EVT_DIMSE_RECV, admit),
        ]

    def tune_socket(self, event: Event) -> None:
        """Answer at once, and do not wait for ever for the rest of a PDU."""
        connection = socket_of(event.assoc)
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(self._network_timeout_s)

    def offer_contexts(self, event: Event) -> None:
        """Set this association's contexts just before pynetdicom negotiates them."""
        request = event.assoc.requestor.primitive
        if request is not None:
            event.assoc.acceptor.supported_contexts = accepted_contexts(
                request.presentation_context_definition_list
            )

    def log_accepted(self, event: Event) -> None:
        """An association stands; contexts that were refused are named."""
        refused = event.assoc.rejected_contexts
        _log.info(
            "association accepted",
            extra={
                "action": "association.accepted",
                **_peer_of(event.assoc),
                "accepted_contexts": len(event.assoc.accepted_contexts),
                "refused_contexts": len(refused),
                "refused": _listed(refused),
            },
        )

    def log_rejected(self, event: Event) -> None:
        """No association: the reason that an administrator looks for."""
        request = event.assoc.requestor.primitive
        called = clean_ae_title(request.called_ae_title if request is not None else None)
        reason = f"called AE title was {called}, ours is {self._ae_title}"
        if called == self._ae_title:
            reason = f"more than {self._max_associations} associations at a time"
        _log.warning(
            "association rejected: %s",
            reason,
            extra={"action": "association.rejected", **_peer_of(event.assoc), "reason": reason},
        )

    def log_aborted(self, event: Event) -> None:
        """One side gave up; objects acknowledged before stay acknowledged."""
        _log.warning(
            "association aborted",
            extra={"action": "association.aborted", **_peer_of(event.assoc)},
        )


def let_go(event: Event) -> None:
    """Free the place of a peer that closed its connection without asking for an association.

    pynetdicom goes on waiting for its request until the ACSE time-out, and counts it meanwhile: a
    few port scans or health checks would keep real peers out. None stands for that time-out.
    """
    if event.assoc.requestor.primitive is None:
        waiting: Any = event.assoc.dul.to_user_queue
        waiting.put(None)


def acknowledge_at_once(event: Event) -> None:
    """Have the kernel acknowledge what arrives next instead of waiting 40 ms for a reply to join.

    Senders that leave Nagle's algorithm on (dcmtk and Orthanc as distributions build them) hold a
    small segment back until the one before is acknowledged: 17 instances/s, where now it is 90. The
    kernel delays again once we have sent something, so the wish is renewed after each answer.
    """
    connection = socket_of(event.assoc)
    if connection is not None and hasattr(socket, "TCP_QUICKACK"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def socket_of(association: Association) -> socket.socket | None:
    """The TCP socket below an association, None when it is closed."""
    transport = association.dul.socket
    return transport.socket if transport is not None else None


def _peer_of(association: Association) -> dict[str, str]:
    return {
        "calling_ae_title": clean_ae_title(association.requestor.ae_title),
        "peer": str(association.requestor.address),
    }


def _listed(contexts: Iterable[PresentationContext]) -> list[str]:
    """The first few refused contexts, as "abstract syntax with transfer syntax"."""
    listed = []
    for context in list(contexts)[:_MAX_LISTED_CONTEXTS]:
        uids = [str(context.abstract_syntax), *map(str, context.transfer_syntax)]
        listed.append(" with ".join(uid if is_uid(uid) else "an invalid UID" for uid in uids))
    return listed
