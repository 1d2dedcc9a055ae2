"""Peers that speak TLS as they should: dcmtk, pynetdicom, and a socket."""

import os
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage
from pynetdicom import AE

from dicom_node.observer import AssociationStage
from dicom_node.tls.identity import PeerCertificate
from dicom_node.tls.keeping import TlsAcceptance
from tests.integration.dicom_node.conftest import RunningNode
from tests.support.certificates import NOT_ASCII, Certificates, client_context
from tests.support.objects import ct_dataset
from tests.support.raw_peers import RawPeer
from tests.support.secure_peers import SecurePeer, dcmtk_options
from tests.support.waiting import eventually
from tests.unit.dicom_node.samples import EXPLICIT, encoded, part10
from tests.unit.dicom_node.upper_layer.wire import RELEASE, association_request

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


def dcmtk(program: str, node: RunningNode, certificates: Certificates, *files: Path) -> str:
    """Run it over TLS, and see it succeed; what it said."""
    shown = certificates.peer
    tls = dcmtk_options(shown.certificate, shown.key, certificates.authority.certificate)
    command = [program, "-v", *tls, "-aec", "PRECUNEUS", "localhost", node.tls_port, *files]
    environment = {**os.environ, "TCP_NODELAY": "1"}
    words = [str(word) for word in command]
    ended = subprocess.run(
        words, check=False, env=environment, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.usefixtures("dcmtk")
def test_echoscu_is_answered(secure: RunningNode, certificates: Certificates) -> None:
    assert "Received Echo Response (Success)" in dcmtk("echoscu", secure, certificates)


@pytest.mark.usefixtures("dcmtk")
def test_storescu_stores(secure: RunningNode, certificates: Certificates, tmp_path: Path) -> None:
    file = tmp_path / "one.dcm"
    dataset = ct_dataset(sop_instance_uid="1.2.3")
    file.write_bytes(part10(dataset))
    said = dcmtk("storescu", secure, certificates, file)
    assert "Received Store Response (Success)" in said
    assert secure.dataset_of("1.2.3") == encoded(dataset)


@pytest.mark.parametrize("version", VERSIONS)
def test_pynetdicom_stores(secure: RunningNode, certificates: Certificates, version: str) -> None:
    context = client_context(certificates, certificates.peer, VERSIONS[version])
    entity = AE(ae_title="PEER")
    entity.add_requested_context(CTImageStorage, EXPLICIT)
    association = entity.associate(
        "127.0.0.1", secure.tls_port, ae_title="PRECUNEUS", tls_args=(context, "localhost")
    )
    assert association.is_established
    sent = ct_dataset(sop_instance_uid="1.2.3")
    sent.file_meta = FileMetaDataset()
    sent.file_meta.TransferSyntaxUID = UID(EXPLICIT)
    assert association.send_c_store(sent).Status == 0x0000
    association.release()
    eventually(lambda: len(secure.counter.events) == 2, "the end is told")
    accepted, released = secure.counter.events
    assert (accepted.stage, released.stage) == (
        AssociationStage.ACCEPTED,
        AssociationStage.RELEASED,
    )
    for event in (accepted, released):
        assert event.tls == version
        assert event.certificate is not None
        assert event.certificate.fingerprint == certificates.peer.fingerprint
        assert event.certificate.names == ("peer", "localhost")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_large_object_arrives_as_it_was_sent(
    secure: RunningNode, certificates: Certificates, version: str
) -> None:
    dataset = ct_dataset(sop_instance_uid="1.2.3")
    dataset.PixelData = bytes(range(256)) * (32 << 12)
    dataset.Rows = dataset.Columns = 4096
    whole = encoded(dataset)
    assert len(whole) > 32 << 20
    context = client_context(certificates, certificates.peer, VERSIONS[version])
    with SecurePeer(secure.tls_port, context) as peer:
        assert peer.associate() == 0x02
        assert peer.store(whole, "1.2.3") == 0x0000
        peer.release()
    assert secure.dataset_of("1.2.3") == whole


def test_tls_that_comes_byte_by_byte(secure: RunningNode, certificates: Certificates) -> None:
    """However the network cuts a record, what is inside stays whole."""
    arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = client_context(certificates, certificates.peer)
    tls = context.wrap_bio(arrived, leaving, server_hostname="localhost")

    with RawPeer(secure.tls_port) as peer:

        def pass_on() -> None:
            for byte in leaving.read():
                peer.send(bytes([byte]))

        def heard(call: Callable[[], bytes | None]) -> bytes | None:
            while True:
                try:
                    return call()
                except ssl.SSLWantReadError:
                    pass_on()
                    arrived.write(peer.socket.recv(1 << 16))

        heard(tls.do_handshake)
        tls.write(association_request())
        pass_on()
        assert (heard(tls.read) or b"")[0] == 0x02
        tls.write(RELEASE)
        pass_on()
        assert (heard(tls.read) or b"")[0] == 0x06


def test_without_a_ca_nobody_is_asked_for_a_certificate(
    start_node: Callable[..., RunningNode], certificates: Certificates
) -> None:
    files = certificates.files
    acceptance = TlsAcceptance(replace(files, ca=None), port=0)
    running = start_node(tls=acceptance)
    with SecurePeer(running.tls_port, client_context(certificates, None)) as peer:
        assert peer.associate() == 0x02
        peer.release()
    eventually(lambda: len(running.counter.events) == 2, "the end is told")
    assert running.counter.events[0].tls == "TLSv1.3"
    assert running.counter.events[0].certificate is None


def test_a_name_that_cannot_be_decoded_is_no_ground_to_refuse(
    secure: RunningNode, certificates: Certificates
) -> None:
    shown = certificates.authority.sign("latin", extensions=NOT_ASCII)
    with SecurePeer(secure.tls_port, client_context(certificates, shown)) as peer:
        assert peer.associate() == 0x02
        peer.release()
    eventually(lambda: len(secure.counter.events) == 2, "the end is told")
    told = secure.counter.events[0].certificate
    assert told == PeerCertificate(shown.fingerprint, ())


def test_both_ports_serve_side_by_side(secure: RunningNode, certificates: Certificates) -> None:
    context = client_context(certificates, certificates.peer)
    with RawPeer(secure.port) as plain, SecurePeer(secure.tls_port, context) as peer:
        for number, each in enumerate((plain, peer)):
            uid = f"1.2.{number}"
            assert each.associate() == 0x02
            assert each.store(encoded(ct_dataset(sop_instance_uid=uid)), uid) == 0x0000
        plain.release()
        peer.release()
