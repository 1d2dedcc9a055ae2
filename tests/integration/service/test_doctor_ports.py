"""The doctor calls the node as a peer would, where it listens over TLS alone, too."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from socketserver import BaseRequestHandler, TCPServer
from threading import Thread

import pytest

from dicom_node.files import ObjectStore
from dicom_node.receive import Receiver
from dicom_node.scp import NodeConfig, StorageNode
from dicom_node.tls.files import TlsFiles
from dicom_node.tls.keeping import TlsAcceptance
from service.dicom_settings import DicomSettings, DicomTlsSettings
from service.finding import Finding
from service.own_ports import examine_ports
from service.settings import HttpSettings, Settings
from tests.support.certificates import FOR_SERVERS, Certificates, make_certificates
from tests.support.service import free_port
from tests.unit.dicom_node.samples import Gallery

Start = Callable[[TlsFiles], int]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a node that listens over TLS alone; its port."""
    with ExitStack() as stack:

        def begin(files: TlsFiles) -> int:
            receiver = Receiver(ObjectStore(tmp_path / "state"), Gallery())
            node = StorageNode(NodeConfig(port=None, tls=TlsAcceptance(files, 0)), receiver)
            node.start()
            stack.callback(node.stop)
            assert node.tls_port is not None
            return node.tls_port

        yield begin


def told(files: TlsFiles, port: int) -> Finding:
    """What the doctor says of the one port of the node."""
    named = {"certificate": files.certificate, "key": files.key, "ca": files.ca, "crl": files.crl}
    tls = DicomTlsSettings(**named, port=port)
    changed = Settings(
        _env_file=None,  # type: ignore[call-arg]
        dicom=DicomSettings(plain=False, port=0, tls=tls),
        http=HttpSettings(port=0),
    )
    found, _http = examine_ports(changed)
    assert found.subject == "DICOM TLS"
    assert found.verdict == "ok" or found.remedy
    return found


def test_the_node_answers_over_tls(start: Start, certificates: Certificates) -> None:
    found = told(certificates.files, start(certificates.files))
    assert (found.verdict, "answers our C-ECHO over TLS" in found.detail) == ("ok", True)


def test_the_node_is_not_up(certificates: Certificates) -> None:
    found = told(certificates.files, free_port())
    assert (found.verdict, "the node is not up" in found.detail) == ("ok", True)


def test_the_node_shows_another_certificate(start: Start, certificates: Certificates) -> None:
    other = replace(
        certificates.files, certificate=certificates.peer.certificate, key=certificates.peer.key
    )
    found = told(certificates.files, start(other))
    assert found.verdict == "wrong"
    assert "the peer's certificate is refused" in found.detail
    assert str(certificates.node.certificate) in found.remedy


def test_a_program_that_hangs_up(certificates: Certificates) -> None:
    with TCPServer(("127.0.0.1", 0), BaseRequestHandler) as holder:
        Thread(target=holder.serve_forever, args=(0.01,)).start()
        try:
            found = told(certificates.files, holder.server_address[1])
        finally:
            holder.shutdown()
    assert (found.verdict, "TLS" in found.detail) == ("wrong", True)
    assert "PRECUNEUS_DICOM__TLS__PORT" in found.remedy


def test_a_node_that_does_not_trust_its_own_signer(
    start: Start, certificates: Certificates
) -> None:
    """Its peers may all be well: nothing is wrong with that, and it is said."""
    foreign = replace(certificates.files, ca=certificates.foreign_authority.certificate)
    found = told(foreign, start(foreign))
    assert found.verdict == "note"
    assert "the node refuses its own certificate" in found.detail


def test_our_own_certificate_was_revoked(tmp_path: Path) -> None:
    """Another CA file would not heal that."""
    mine = make_certificates(tmp_path / "revoked")
    mine.authority.revoke(mine.node)
    crl = mine.authority.list_revoked(tmp_path / "crl.pem")
    found = told(replace(mine.files, crl=crl), free_port())
    assert found.verdict == "wrong"
    assert "certificate revoked" in found.detail
    assert "sign another" in found.remedy


def test_our_own_certificate_is_for_servers_alone(start: Start, certificates: Certificates) -> None:
    own = certificates.authority.sign("for-servers", extensions=FOR_SERVERS)
    files = replace(certificates.files, certificate=own.certificate, key=own.key)
    found = told(files, start(files))
    assert found.verdict == "note"
    assert "extendedKeyUsage" in found.remedy


def test_lists_of_another_authority_alone(
    start: Start, certificates: Certificates, tmp_path: Path
) -> None:
    crl = certificates.foreign_authority.list_revoked(tmp_path / "crl.pem")
    files = replace(certificates.files, crl=crl)
    found = told(files, start(files))
    assert found.verdict == "note"
    assert "PRECUNEUS_DICOM__TLS__CRL" in found.remedy


def test_files_that_cannot_be_used(certificates: Certificates, tmp_path: Path) -> None:
    found = told(replace(certificates.files, ca=tmp_path / "no.pem"), free_port())
    assert found.verdict == "wrong"
    assert "no.pem cannot be read" in found.remedy


def test_a_list_that_has_expired(certificates: Certificates, tmp_path: Path) -> None:
    crl = certificates.authority.list_revoked(tmp_path / "crl.pem", until="20240101000000Z")
    found = told(replace(certificates.files, crl=crl), free_port())
    assert found.verdict == "wrong"
    assert "expired on 2024-01-01" in found.detail
    certificates.authority.list_revoked(crl)
    assert told(replace(certificates.files, crl=crl), free_port()).verdict == "ok"
