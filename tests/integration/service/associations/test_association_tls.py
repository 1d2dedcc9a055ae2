"""Peers that are bound to a certificate, over TLS and without it, and what the record says."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine

from dicom_node.tls.keeping import TlsAcceptance
from service.dicom_settings import DicomSettings
from service.known_peers import KnownPeers
from service.peers import Peer, add_peer
from tests.integration.service.associations.conftest import RecordedNode
from tests.support.certificates import Certificates, client_context
from tests.support.raw_peers import RawPeer
from tests.support.secure_peers import SecurePeer
from tests.unit.dicom_node.upper_layer.wire import association_request

REQUEST = association_request(calling="PACS")
REJECTED = (0x03, bytes([0, 1, 1, 3]))


@pytest.fixture
def binding(
    engine: Engine, start: Callable[..., RecordedNode], certificates: Certificates
) -> Iterator[RecordedNode]:
    """A node that knows PACS by its certificate."""
    fingerprint = certificates.peer.fingerprint
    bound = Peer("pacs", "PACS", "127.0.0.1", 104, tls_certificate_sha256=fingerprint)
    with engine.begin() as connection:
        add_peer(connection, bound)
    with KnownPeers(engine, DicomSettings()) as known:
        yield start(vet=known.vet, tls=TlsAcceptance(certificates.files, port=0))


def tls_port(node: RecordedNode) -> int:
    assert node.node.tls_port is not None
    return node.node.tls_port


def test_a_bound_peer_comes_with_its_certificate(
    binding: RecordedNode, certificates: Certificates
) -> None:
    context = client_context(certificates, certificates.peer)
    with SecurePeer(tls_port(binding), context) as peer:
        assert peer.associate(REQUEST) == 0x02
        peer.release()
    row = binding.row()
    assert (row.outcome, row.tls) == ("released", "TLSv1.3")
    assert row.tls_certificate_sha256 == certificates.peer.fingerprint


def test_another_certificate_of_the_same_authority_is_refused(
    binding: RecordedNode, certificates: Certificates
) -> None:
    with SecurePeer(tls_port(binding), client_context(certificates, certificates.node)) as peer:
        peer.send(REQUEST)
        assert peer.pdu() == REJECTED
    row = binding.row()
    shown = certificates.node.fingerprint
    assert row.reason == f"the peer is known by another certificate than {shown}"
    assert row.tls_certificate_sha256 == shown


def test_a_bound_peer_may_not_come_without_tls(binding: RecordedNode) -> None:
    with RawPeer(binding.port) as peer:
        peer.send(REQUEST)
        assert peer.pdu() == REJECTED
    row = binding.row()
    assert row.reason == "the peer is known by its certificate, and came without one"
    assert (row.tls, row.tls_certificate_sha256) == (None, None)


def test_a_failed_handshake_is_recorded(binding: RecordedNode, certificates: Certificates) -> None:
    with RawPeer(tls_port(binding)) as peer:
        peer.send(REQUEST)
        assert peer.is_let_go()
    assert "plain DICOM on the TLS port" in binding.row().reason
