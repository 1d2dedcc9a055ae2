"""The transport alone, over a real connection: what it says of the ends of a stream."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dicom_node.network.loop import RECEIVE_BYTES
from dicom_node.network.tls_transport import TlsTransport
from dicom_node.network.transport import TransportRefused
from dicom_node.tls.contexts import acceptor_context
from tests.support.certificates import Certificates, client_hello
from tests.support.waiting import PATIENCE_S


@dataclass(frozen=True)
class Ends:
    """Ours, and the peer's; the peer says what TLS is left to itself."""

    ours: TlsTransport
    peer: socket.socket

    def receive(self) -> int | None:
        """What ours says of what has come; it waits for something."""
        self.ours.socket.setblocking(True)
        self.ours.socket.settimeout(PATIENCE_S)
        return self.ours.receive(memoryview(bytearray(RECEIVE_BYTES)))


@pytest.fixture
def ends(certificates: Certificates) -> Iterator[Ends]:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as peer,
        server.accept()[0] as accepted,
    ):
        yield Ends(TlsTransport(accepted, acceptor_context(certificates.files)), peer)


@pytest.mark.parametrize("cut_at", [50, None], ids=["half a hello", "a hello"])
def test_an_end_in_the_handshake_is_told_once(
    ends: Ends, certificates: Certificates, cut_at: int | None
) -> None:
    """Told again and again, it had the loop run hot until the connection's time was over."""
    ends.peer.sendall(client_hello(certificates)[:cut_at])
    assert ends.receive() is None
    ends.peer.shutdown(socket.SHUT_WR)
    with pytest.raises(TransportRefused, match="closed the connection during the TLS handshake"):
        ends.receive()
    assert ends.receive() == 0


def test_a_close_notify_in_the_handshake_is_an_end_of_it(
    ends: Ends, certificates: Certificates
) -> None:
    ends.peer.sendall(client_hello(certificates, ssl.TLSVersion.TLSv1_2))
    assert ends.receive() is None
    ends.peer.sendall(b"\x15\x03\x03\x00\x02\x01\x00")
    with pytest.raises(TransportRefused, match="closed the connection during the TLS handshake"):
        ends.receive()
