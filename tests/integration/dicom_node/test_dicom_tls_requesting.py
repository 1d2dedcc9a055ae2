"""We call peers over TLS, and are told what is wrong where that does not work."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node.errors import AssociationFailed
from dicom_node.requesting.address import PeerAddress
from dicom_node.requesting.verifying import verify
from dicom_node.scu import echo, send
from dicom_node.tls.files import TlsFiles
from tests.integration.dicom_node.conftest import RunningNode
from tests.support.certificates import Certificates, Identity, make_certificates
from tests.support.objects import ct_dataset, write_file
from tests.support.peers import dataset_bytes, storescp
from tests.support.service import AE_TITLE, free_port
from tests.support.tls_peers import over_tls, secure_storescp

pytestmark = pytest.mark.usefixtures("dcmtk")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def receiver(tmp_path: Path, made: Certificates) -> Iterator[int]:
    with secure_storescp(tmp_path / "peer", made.peer, made.authority.certificate) as port:
        yield port


def refusal(address: PeerAddress) -> str:
    with pytest.raises(AssociationFailed) as caught:
        verify(address, timeout_s=10.0)
    return str(caught.value)


def test_a_peer_answers(receiver: int, made: Certificates) -> None:
    address = over_tls(receiver, made.files)
    verify(address)
    assert echo("127.0.0.1", receiver, AE_TITLE, "TEST", address.tls).succeeded
    assert "TLS expected" in refusal(replace(address, tls=None))


def test_files_arrive_as_they_are(receiver: int, made: Certificates, tmp_path: Path) -> None:
    files = [write_file(tmp_path / "sent" / f"{n}.dcm", ct_dataset(seed=n)) for n in range(3)]
    tls = over_tls(receiver, made.files).tls
    sent = list(send(files, "127.0.0.1", receiver, AE_TITLE, "TEST", tls))
    assert [result.status for result in sent] == [0, 0, 0]
    arrived = {dataset_bytes(path) for path in (tmp_path / "peer").iterdir()}
    assert arrived == {dataset_bytes(path) for path in files}


def test_an_unknown_authority(receiver: int, made: Certificates) -> None:
    files = replace(made.files, ca=made.foreign_authority.certificate)
    assert "whoever signed it is not in our CA file" in refusal(over_tls(receiver, files))
    result = echo("127.0.0.1", receiver, AE_TITLE, "TEST", over_tls(receiver, files).tls)
    assert "whoever signed it" in result.reason


def test_a_wrong_name(receiver: int, made: Certificates) -> None:
    reason = refusal(over_tls(receiver, made.files, host="127.0.0.2"))
    assert "not valid for '127.0.0.2'; call it by that name" in reason


def test_a_bound_peer_needs_no_name_but_that_certificate(receiver: int, made: Certificates) -> None:
    bound_to = made.peer.fingerprint
    verify(over_tls(receiver, made.files, host="127.0.0.2", bound_to=bound_to))
    other = over_tls(receiver, made.files, bound_to=made.node.fingerprint)
    assert "not the one it is bound to" in refusal(other)
    untrusting = replace(made.files, ca=made.foreign_authority.certificate)
    assert "whoever signed" in refusal(over_tls(receiver, untrusting, bound_to=bound_to))


def test_an_expired_certificate(tmp_path: Path, made: Certificates) -> None:
    expired = made.authority.sign("expired", days=-1)
    trusted = made.authority.certificate
    with secure_storescp(tmp_path / "expired", expired, trusted) as port:
        assert "certificate has expired" in refusal(over_tls(port, made.files))


def test_the_peer_refuses_ours(receiver: int, made: Certificates) -> None:
    files = TlsFiles(made.stranger.certificate, made.stranger.key, made.authority.certificate)
    assert "it refuses" in refusal(over_tls(receiver, files)).replace("the peer", "it")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_ours_is_refused_after_the_handshake(version: ssl.TLSVersion, made: Certificates) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.peer.certificate, made.peer.key)
    context.load_verify_locations(made.foreign_authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = context.maximum_version = version
    with silent(context) as port:
        assert "the peer refuses our certificate" in refusal(over_tls(port, made.files))


def test_a_plain_dcmtk(tmp_path: Path, made: Certificates) -> None:
    with storescp(tmp_path / "plain") as port:
        reason = refusal(over_tls(port, made.files))
    assert "TLS" in reason
    assert "plain DICOM" in reason or "does not speak TLS" in reason


def test_a_plain_node_of_ours(running: RunningNode, made: Certificates) -> None:
    reason = refusal(over_tls(running.port, made.files))
    assert "plain DICOM" in reason or "does not speak TLS" in reason


def test_nothing_listens(made: Certificates) -> None:
    assert "nothing listens" in refusal(over_tls(free_port(), made.files))


def test_a_peer_that_says_nothing_after_its_tickets(made: Certificates) -> None:
    with silent(server_of(made.peer)) as port:
        address = over_tls(port, made.files)
        with pytest.raises(AssociationFailed, match=r"no answer came|without an answer"):
            verify(address, timeout_s=1.0)


def server_of(shown: Identity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    return context


@contextmanager
def silent(context: ssl.SSLContext) -> Iterator[int]:
    """A server that shakes hands, and then waits for the peer to go."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    plain, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=wait, args=(plain,), daemon=True).start()

        def wait(plain: socket.socket) -> None:
            with plain:
                try:
                    with context.wrap_socket(plain, server_side=True) as secured:
                        while secured.recv(1 << 16):
                            pass
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()
