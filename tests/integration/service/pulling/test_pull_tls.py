"""An archive's past over TLS: Orthanc is asked over TLS, and sends over TLS."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine

from dicom_node.configure import configure_pydicom, configure_pynetdicom
from dicom_node.errors import AssociationFailed, TlsFilesUnusable
from dicom_node.receive import Receiver
from dicom_node.requesting.address import PeerAddress
from dicom_node.requesting.selection import Selection
from dicom_node.requesting.verifying import verify
from dicom_node.scp import NodeConfig, StorageNode
from dicom_node.tls.keeping import TlsAcceptance
from service.dicom_settings import DicomSettings, DicomTlsSettings
from service.errors import Unavailable
from service.peers import Peer, add_peer
from service.pulling.method import choose_method
from service.pulling.pulling import Puller
from service.pulling.reconciling import reconcile
from service.pulling.throttle import Throttle
from tests.integration.service.pulling.conftest import Made
from tests.support.certificates import Certificates, make_certificates
from tests.support.orthanc import MODALITY, find_orthanc, running_orthanc
from tests.support.service import free_port

ALL = Selection(since=date(2024, 1, 1), until=date(2024, 12, 31))


@dataclass(frozen=True)
class SecureArchive:
    """A filled Orthanc that demands certificates."""

    peer: Peer
    own: DicomSettings
    certificates: Certificates

    @property
    def address(self) -> PeerAddress:
        return self.peer.address(self.own.ae_title, self.certificates.files)


@pytest.fixture
def secure_archive(tmp_path: Path, engine: Engine, made: Made) -> Iterator[SecureArchive]:
    program = find_orthanc()
    if program is None:
        pytest.skip("Orthanc is not installed")
    configure_pydicom()
    configure_pynetdicom()
    certificates = make_certificates(tmp_path / "certificates")
    node, shown, trusted = (
        certificates.node,
        certificates.peer,
        certificates.authority.certificate,
    )
    own = DicomSettings(
        tls=DicomTlsSettings(
            certificate=node.certificate, key=node.key, ca=trusted, port=free_port()
        )
    )
    tls_settings: dict[str, object] = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(shown.certificate),
        "DicomTlsPrivateKey": str(shown.key),
        "DicomTlsTrustedCertificates": str(trusted),
    }
    modality = {
        "AET": own.ae_title,
        "Host": "127.0.0.1",
        "Port": own.tls.port,
        "UseDicomTls": True,
    }
    tls_settings["DicomModalities"] = {MODALITY: modality}
    with running_orthanc(program, tmp_path, own.tls.port, **tls_settings) as client:
        for file in made.files:
            client.post("/instances", content=file.read_bytes()).raise_for_status()
        port = client.get("/system").json()["DicomPort"]
        peer = Peer("pacs", "ORTHANC", "127.0.0.1", port, tls=True)
        with engine.begin() as connection:
            add_peer(connection, peer)
        yield SecureArchive(peer, own, certificates)


def test_studies_are_listed_and_fetched_over_tls(
    secure_archive: SecureArchive, engine: Engine, take: Receiver, made: Made
) -> None:
    address = secure_archive.address
    before = reconcile(engine, "pacs", address, ALL)
    assert before.totals["missing"] == len(made.uids)
    method = choose_method(address, secure_archive.own, "get")
    report = Puller(engine, take, address, method, Throttle()).run("pacs", ALL)
    assert (report.succeeded, report.received) == (True, len(made.uids))
    assert reconcile(engine, "pacs", address, ALL).totals["missing"] == 0


def test_studies_are_moved_to_our_node_over_tls(
    secure_archive: SecureArchive, engine: Engine, take: Receiver, made: Made
) -> None:
    acceptance = TlsAcceptance(secure_archive.certificates.files, secure_archive.own.tls.port)
    node = StorageNode(NodeConfig(port=0, tls=acceptance), take)
    node.start()
    try:
        method = choose_method(secure_archive.address, secure_archive.own, None)
        assert method.by == "move"
        puller = Puller(engine, take, secure_archive.address, method, Throttle())
        report = puller.run("pacs", ALL)
    finally:
        node.stop()
    assert (report.by, report.succeeded, report.received) == ("move", True, len(made.uids))


def test_nothing_is_moved_while_our_node_is_not_there_for_tls(
    secure_archive: SecureArchive,
) -> None:
    with pytest.raises(Unavailable, match="our own node must run"):
        choose_method(secure_archive.address, secure_archive.own, "move")


def test_it_must_be_the_certificate_that_the_peer_is_bound_to(
    secure_archive: SecureArchive,
) -> None:
    shown, other = secure_archive.certificates.peer, secure_archive.certificates.node
    own = secure_archive.own.ae_title
    files = secure_archive.certificates.files
    verify(
        replace(secure_archive.peer, tls_certificate_sha256=shown.fingerprint).address(own, files)
    )
    bound = replace(secure_archive.peer, tls_certificate_sha256=other.fingerprint)
    with pytest.raises(AssociationFailed, match="not the one it is bound to"):
        verify(bound.address(own, files))


def test_without_a_certificate_of_ours_it_is_said_what_to_set(
    secure_archive: SecureArchive,
) -> None:
    with pytest.raises(TlsFilesUnusable, match="PRECUNEUS_DICOM__TLS__CERTIFICATE"):
        secure_archive.peer.address(secure_archive.own.ae_title)


def test_a_stranger_is_told_that_the_archive_refuses_it(secure_archive: SecureArchive) -> None:
    stranger = secure_archive.certificates.stranger
    files = replace(
        secure_archive.certificates.files, certificate=stranger.certificate, key=stranger.key
    )
    with pytest.raises(AssociationFailed, match="the peer refuses our certificate"):
        verify(secure_archive.peer.address(secure_archive.own.ae_title, files))
