"""Says why no association came about, in words that an administrator can act on.

It may open a second connection to find out; it changes nothing and sends no DICOM.
"""

import errno
import socket
import ssl

from pynetdicom.association import Association

from dicom_node.requesting.address import PeerAddress
from dicom_node.requesting.hearing import Rejections
from dicom_node.tls.probing import handshake_fault

_PROBE_S = 3.0
# Source and diagnostic of an A-ASSOCIATE-RJ (PS3.8 9.3.4).
_REJECTIONS = {
    (1, 2): "it does not know the DICOM application context",
    (1, 3): "it does not know our AE title {calling}: enter it there, with this host's address",
    (1, 7): "called AE title not recognised: its own is not {called}",
    (2, 2): "its protocol version is another one",
    (3, 1): "it is congested for the moment; try again later",
    (3, 2): "it has reached its limit of associations; try again later",
}
_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})


def reason_of_failure(
    address: PeerAddress, association: Association, rejections: Rejections, waited_s: float
) -> str:
    """Why `association` is not established; `waited_s` is how long its answer was waited for."""
    answer = association.acceptor.primitive
    if rejections.heard is not None:
        return _rejection(address, rejections.heard)
    if answer is not None and answer.result == 0:
        return "it accepts the association, but none of the services asked for"
    fault = connection_fault(address)
    if fault is None and address.tls is not None:
        fault = handshake_fault(address.host, address.port, address.tls)
    if fault is not None:
        return fault
    if address.tls is None and _speaks_tls(address):
        return "TLS expected: it takes no plain DICOM on this port"
    limit_s = association.acse_timeout
    if limit_s is not None and waited_s >= limit_s:
        return f"it takes the connection, but no answer came within {waited_s:.0f} s (time-out)"
    return (
        "it ended the connection without an answer: it refuses this host's address, "
        "or is no DICOM node"
    )


def _rejection(address: PeerAddress, key: tuple[int, int]) -> str:
    words = _REJECTIONS.get(
        key, "it gave no reason; are both AE titles, {called} and {calling}, the ones it knows?"
    )
    said = words.format(called=address.called_ae_title, calling=address.calling_ae_title)
    return f"it rejected the association: {said}"


def connection_fault(address: PeerAddress) -> str | None:
    """What keeps a TCP connection from coming about, if anything does."""
    try:
        socket.create_connection((address.host, address.port), _PROBE_S).close()
    except (socket.gaierror, UnicodeError):  # the latter: no name server could know it
        return "the host's name is unknown: no name server knows it"
    except ConnectionRefusedError:
        return "connection refused: nothing listens on that port"
    except TimeoutError:
        return "no answer (time-out): the host is down, or a firewall drops the packets"
    except OSError as error:
        if error.errno in _UNREACHABLE:
            return "no route to the host: check the address and the network"
        return f"the connection failed: {error.strerror or type(error).__name__}"
    return None


def _speaks_tls(address: PeerAddress) -> bool:
    """Whether a TLS handshake gets an answer; nothing is trusted by it, so nothing is checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((address.host, address.port), _PROBE_S) as plain:
            context.wrap_socket(plain).close()
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except (OSError, ValueError):
        return False
    return True
