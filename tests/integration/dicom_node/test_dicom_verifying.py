"""What an administrator is told when a peer does not answer as it should."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dicom_node.errors import AssociationFailed
from dicom_node.requesting.address import PeerAddress
from dicom_node.requesting.verifying import verify
from dicom_node.scu import echo
from tests.integration.dicom_node.conftest import RunningNode


def at(port: int, called: str = "PRECUNEUS", host: str = "127.0.0.1") -> PeerAddress:
    return PeerAddress(host, port, called, "TEST")


def test_a_peer_that_answers(running: RunningNode) -> None:
    verify(at(running.port))


def test_a_wrong_title_is_named(running: RunningNode) -> None:
    with pytest.raises(AssociationFailed, match=r"called AE title not recognised.*ARCHIVE"):
        verify(at(running.port, "ARCHIVE"))


def test_nothing_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(AssociationFailed, match="refused: nothing listens"):
            verify(at(taken.getsockname()[1]))


@pytest.mark.parametrize("host", ["pacs.invalid", "a" * 70, ".pacs"])
def test_an_unknown_host(host: str) -> None:
    with pytest.raises(AssociationFailed, match="name is unknown"):
        verify(at(104, host=host))
    assert "name is unknown" in echo(host, 104, "PRECUNEUS", "TEST").reason


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that treats each connection with `serve`."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_a_port_that_takes_connections_and_says_nothing() -> None:
    reason = r"no answer came within .* \(time-out\)"
    with (
        listening(lambda connection: connection.recv(1 << 16) and connection.recv(1)) as port,
        pytest.raises(AssociationFailed, match=reason),
    ):
        verify(at(port), timeout_s=1.0)


def test_a_port_of_another_service() -> None:
    with (
        listening(lambda connection: connection.close()) as port,
        pytest.raises(AssociationFailed, match="no DICOM node"),
    ):
        verify(at(port))


def test_a_port_that_wants_tls(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=pacs", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve(connection: socket.socket) -> None:
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            connection.close()

    with listening(serve) as port, pytest.raises(AssociationFailed, match="TLS expected"):
        verify(at(port), timeout_s=5.0)
