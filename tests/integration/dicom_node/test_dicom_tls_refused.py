"""Peers that TLS keeps out: at once, and with words that an administrator can act on."""

import socket
import ssl
import warnings
from collections.abc import Callable

import numpy as np
import pytest

from dicom_node.observer import AssociationEvent, AssociationStage
from tests.integration.dicom_node.conftest import RunningNode
from tests.support.certificates import Certificates, Identity, client_context
from tests.support.raw_peers import RawPeer
from tests.support.secure_peers import SecurePeer
from tests.support.waiting import eventually
from tests.unit.dicom_node.upper_layer.wire import association_request

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
SHOWN: dict[str, tuple[Callable[[Certificates], Identity | None], str]] = {
    "none": (lambda made: None, "the peer showed no certificate, and one is required"),
    "another authority's": (
        lambda made: made.stranger,
        "the peer's certificate is refused: unable to get local issuer certificate",
    ),
    "expired": (
        lambda made: made.authority.sign("late", days=-1),
        "the peer's certificate is refused: certificate has expired",
    ),
}
NOISE = {
    "plain DICOM": (association_request(), "plain DICOM on the TLS port"),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: node\r\n\r\n", "no TLS on the TLS port"),
    "random bytes": (b"\xff" + np.random.default_rng(5).bytes(20000), "no TLS on the TLS port"),
    "a hello of random bytes": (b"\x16" + np.random.default_rng(5).bytes(20000), "TLS"),
}


def the_event(node: RunningNode) -> AssociationEvent:
    """The one that the node told."""
    eventually(lambda: bool(node.counter.events), "the end is told")
    (event,) = node.counter.events
    return event


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
@pytest.mark.parametrize("kind", SHOWN)
def test_who_shows_no_good_certificate_is_refused(
    secure: RunningNode, certificates: Certificates, kind: str, version: ssl.TLSVersion
) -> None:
    choose, words = SHOWN[kind]
    context = client_context(certificates, choose(certificates), version)
    # In TLS 1.3 the peer hears of it when it reads, after its own part of the handshake.
    with (
        pytest.raises(ssl.SSLError) as heard,
        socket.create_connection(("127.0.0.1", secure.tls_port), timeout=30) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as tls,
    ):
        tls.recv(1)
    assert "ALERT" in str(heard.value)
    event = the_event(secure)
    assert event.stage is AssociationStage.ABORTED
    assert words in event.reason
    assert (event.calling_ae_title, event.certificate) == (None, None)


def test_tls_1_1_is_refused(secure: RunningNode, certificates: Certificates) -> None:
    context = client_context(certificates, certificates.peer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        SecurePeer(secure.tls_port, context)
    assert the_event(secure).reason == "the peer offers no TLS version from 1.2 on"


def test_a_weak_cipher_is_refused(secure: RunningNode, certificates: Certificates) -> None:
    context = client_context(certificates, certificates.peer, ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("AES128-SHA256")
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        SecurePeer(secure.tls_port, context)
    assert the_event(secure).reason == "the peer offers no cipher suite of the BCP 195 profile"


def test_a_peer_that_does_not_trust_us(secure: RunningNode, certificates: Certificates) -> None:
    context = ssl.create_default_context(cafile=certificates.foreign_authority.certificate)
    with pytest.raises(ssl.SSLCertVerificationError):
        SecurePeer(secure.tls_port, context)
    assert the_event(secure).reason == "the peer refuses our certificate (unknown ca)"


@pytest.mark.parametrize("name", NOISE)
def test_what_is_no_tls_ends_at_once(secure: RunningNode, name: str) -> None:
    noise, words = NOISE[name]
    with RawPeer(secure.tls_port) as peer:
        peer.send(noise)
        while peer.socket.recv(1 << 16):
            pass
    assert words in the_event(secure).reason


def test_tls_on_the_plain_port_ends_at_once(
    secure: RunningNode, certificates: Certificates
) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        SecurePeer(secure.port, client_context(certificates, certificates.peer))
    assert (
        "the peer seems to speak TLS, and this port takes plain DICOM" in the_event(secure).reason
    )
