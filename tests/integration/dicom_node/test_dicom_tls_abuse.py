"""Peers that misuse the TLS port, while a good one goes on sending over TLS and is not harmed."""

import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from dicom_node.network.deadlines import Deadlines
from dicom_node.storing import StorageLimits
from dicom_node.tls.keeping import TlsAcceptance
from tests.integration.dicom_node.abused import FEW, MB, OTHER_ADDRESS, Abused
from tests.integration.dicom_node.conftest import RunningNode
from tests.integration.dicom_node.test_dicom_abuse import HALF
from tests.integration.dicom_node.test_dicom_floods import drip, flood
from tests.support.certificates import Certificates, client_context, client_hello
from tests.support.raw_peers import GoodSender, RawPeer
from tests.support.secure_peers import SecurePeer
from tests.unit.dicom_node.upper_layer.wire import (
    C_ECHO_RQ,
    COMMAND,
    DATASET,
    LAST,
    command,
    p_data,
)

DEADLINES = Deadlines(handshake_s=1, request_s=2, pdu_s=2, send_s=1, close_s=0.5, minimum_rate=1024)


@dataclass
class Besieged(Abused):
    """A node whose TLS port is abused; `certificates` are good ones."""

    certificates: Certificates

    @property
    def port(self) -> int:
        return self.node.tls_port

    def peer(self, *, small: bool = False) -> SecurePeer:
        """Whoever can shake hands, from elsewhere."""
        context = client_context(self.certificates, self.certificates.peer)
        return SecurePeer(self.port, context, source=OTHER_ADDRESS, small=small)


@pytest.fixture
def besieged(
    start_node: Callable[..., RunningNode], certificates: Certificates
) -> Iterator[Besieged]:
    acceptance = TlsAcceptance(certificates.files, port=0)
    storage = StorageLimits(object_bytes=MB)
    node = start_node(tls=acceptance, deadlines=DEADLINES, limits=FEW, storage=storage)
    context = client_context(certificates, certificates.peer)
    good = GoodSender(node.tls_port, lambda port: SecurePeer(port, context))
    with good.sending():
        yield Besieged(node, good, certificates)


@pytest.mark.parametrize("part", ["nothing", "half a hello", "a hello"])
def test_a_stalled_handshake_is_given_up(besieged: Besieged, part: str) -> None:
    whole = client_hello(besieged.certificates)
    said = {"nothing": b"", "half a hello": whole[: len(whole) // 2], "a hello": whole}[part]
    with RawPeer(besieged.port, source=OTHER_ADDRESS) as peer:
        peer.send(said)
        while peer.socket.recv(1 << 16):
            pass
    besieged.await_reason("the TLS handshake was not complete within 1 s")


def test_a_handshake_and_then_nothing(besieged: Besieged) -> None:
    with besieged.peer() as peer:
        assert peer.is_let_go()
    besieged.await_reason("no association request within 2 s")


def test_half_open_connections_keep_nobody_out(besieged: Besieged) -> None:
    peers = [RawPeer(besieged.port, source=OTHER_ADDRESS) for _ in range(200)]
    try:
        besieged.good.goes_on()
        besieged.await_reason("the oldest gave way", 200 - FEW.half_open - 2)
        besieged.await_reason("the TLS handshake was not complete within 1 s")
    finally:
        for peer in peers:
            peer.socket.close()


def test_a_drip_inside_a_pdu_is_given_up(besieged: Besieged) -> None:
    with besieged.peer() as peer:
        assert peer.associate() == 0x02
        peer.send(p_data(b"\0" * 10000, COMMAND)[:12])
        assert drip(peer, b"\0") < 120
    besieged.await_reason("a PDU was not complete within 2 s")


def test_a_drip_of_whole_pdus_is_given_up(besieged: Besieged) -> None:
    with besieged.peer() as peer:
        assert peer.associate() == 0x02
        peer.begin_store("1.2.3")
        assert drip(peer, p_data(b"\0\0", DATASET)) < 120
    besieged.await_reason("less than 1024 bytes a second")


def test_answers_that_are_not_read_end_the_association(besieged: Besieged) -> None:
    echoes = p_data(command(C_ECHO_RQ), COMMAND | LAST) * 2000
    with besieged.peer(small=True) as peer:
        assert peer.associate() == 0x02
        assert flood(peer, echoes, 5000) < 5000
    besieged.await_reason("our answers were not read")


@pytest.mark.parametrize("ending", ["close_notify", "FIN", "RST"])
def test_a_sender_that_breaks_off_leaves_nothing(besieged: Besieged, ending: str) -> None:
    with besieged.peer() as peer:
        assert peer.associate() == 0x02
        peer.send(HALF)
        if ending == "close_notify":
            peer.tls.setblocking(False)
            with pytest.raises(ssl.SSLWantReadError):
                peer.tls.unwrap()
        if ending == "RST":
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    besieged.await_reason("connection broke" if ending == "RST" else "without a release")
    besieged.await_no_unfinished()


def test_bytes_that_are_no_tls_inside_an_association(besieged: Besieged) -> None:
    with besieged.peer() as peer:
        assert peer.associate() == 0x02
        with socket.socket(fileno=peer.tls.detach()) as bare:
            bare.sendall(b"\x17\x03\x03\x00\x20" + b"\0" * 32)
            bare.settimeout(30)
            while bare.recv(1 << 16):
                pass
    besieged.await_reason("TLS failed")
