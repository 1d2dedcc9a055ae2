"""Opens associations to peers, and says why where none comes about (PS3.8 7.1)."""

import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.presentation import PresentationContext

from dicom_node.errors import AssociationFailed
from dicom_node.meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.requesting.address import PeerAddress
from dicom_node.requesting.diagnosis import connection_fault, reason_of_failure
from dicom_node.requesting.hearing import Rejections

TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 300.0
"""An archive may look for minutes, or fetch from a tape, before it answers."""

MAX_PDU = 131072


@contextmanager
def associated(
    address: PeerAddress,
    contexts: Sequence[PresentationContext],
    *,
    handlers: Sequence[EventHandlerType] = (),
    roles: Sequence[Any] = (),
    timeout_s: float = TIMEOUT_S,
    answer_s: float = ANSWER_TIMEOUT_S,
) -> Iterator[Association]:
    """An established association, released at the end, or aborted where an error ends it.

    Args:
        address: whom to call, and as whom.
        contexts: what is proposed.
        handlers: pynetdicom's handlers of what the peer sends.
        roles: SCP/SCU role selections to propose (PS3.7 D.3.3.4).
        timeout_s: for the connection, and for the association's acceptance.
        answer_s: for each answer.

    Raises:
        AssociationFailed: there is none; the message says why.
    """
    association = _associate(address, contexts, handlers, roles, (timeout_s, answer_s))
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    if association.is_established:
        association.release()


def _associate(
    address: PeerAddress,
    contexts: Sequence[PresentationContext],
    handlers: Sequence[EventHandlerType],
    roles: Sequence[Any],
    timeouts: tuple[float, float],
) -> Association:
    entity = AE(ae_title=address.calling_ae_title)
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    entity.connection_timeout = entity.acse_timeout = timeouts[0]
    entity.dimse_timeout = entity.network_timeout = timeouts[1]
    opened: list[socket.socket] = []
    opening = (evt.EVT_CONN_OPEN, prepare, [opened, timeouts[0]])
    rejections = Rejections()
    started = time.monotonic()
    try:
        association = entity.associate(
            address.host,
            address.port,
            contexts=list(contexts),
            ae_title=address.called_ae_title,
            max_pdu=MAX_PDU,
            ext_neg=list(roles),
            tls_args=address.tls.arguments if address.tls else None,
            evt_handlers=[opening, rejections.handler, *handlers],
        )
    except (OSError, ValueError) as error:
        fault = connection_fault(address) or f"it cannot be called ({type(error).__name__})"
        raise AssociationFailed(f"{address}: {fault}") from None
    if association.is_established:
        for connection in opened:
            _bound_waiting(connection, timeouts[1])
        return association
    # pynetdicom leaves the socket of a failed association to the garbage collector.
    for connection in opened:
        connection.close()
    reason = reason_of_failure(address, association, rejections, time.monotonic() - started)
    raise AssociationFailed(f"{address}: {reason}")


def prepare(event: Event, opened: list[socket.socket], timeout_s: float) -> None:
    """A handler of pynetdicom's for a new connection: adds it to `opened`, and sets it up.

    Without Nagle's algorithm, which would hold each small request back for 40 ms.
    """
    transport = event.assoc.dul.socket
    if transport is not None and transport.socket is not None:
        opened.append(transport.socket)
        transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _bound_waiting(transport.socket, timeout_s)


def _bound_waiting(connection: socket.socket, timeout_s: float) -> None:
    """Under TLS what can be read may be no data (TLS 1.3's tickets), and reading then waits."""
    if isinstance(connection, ssl.SSLSocket):
        connection.settimeout(timeout_s)
