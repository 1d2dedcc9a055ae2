"""The result of a storage commitment is told over TLS to a peer that is called so."""

import logging
from pathlib import Path

import pytest
from pydicom.uid import CTImageStorage
from sqlalchemy import Engine

from dicom_node.commitment import WELL_KNOWN_INSTANCE, ActionRequest
from dicom_node.configure import configure_pynetdicom
from dicom_node.files import ObjectStore
from dicom_node.tls.contexts import acceptor_context
from dicom_node.tls.files import TlsFiles
from service.commitment.service import CommitmentService
from service.peers import Peer, add_peer
from tests.integration.service.commitment.test_commitment import ABSENT, information, listening
from tests.support.certificates import Certificates, make_certificates
from tests.support.service import free_port
from tests.support.stored import count_rows


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path / "certificates")


@pytest.fixture
def port(engine: Engine) -> int:
    configure_pynetdicom()
    port = free_port()
    with engine.begin() as connection:
        add_peer(connection, Peer("pacs", "PACS", "127.0.0.1", port, tls=True))
    return port


def asked(commitment: CommitmentService) -> str:
    wanted = information((CTImageStorage, ABSENT))
    commitment.take(ActionRequest("PACS", WELL_KNOWN_INSTANCE, 1, wanted))
    return str(wanted.TransactionUID)


def test_a_result_is_told_over_tls(
    engine: Engine, store: ObjectStore, port: int, made: Certificates
) -> None:
    commitment = CommitmentService(engine, store, "PRECUNEUS", made.files)
    transaction_uid = asked(commitment)
    peer, trusted = made.peer, made.authority.certificate
    theirs = acceptor_context(TlsFiles(peer.certificate, peer.key, trusted))
    with listening(port, theirs) as told:
        assert commitment.tell_next()
    assert (told.transaction_uid, told.objects) == (transaction_uid, {ABSENT: 0x0112})
    assert count_rows(engine, "commitment") == 0


def test_without_a_certificate_it_waits_and_nothing_goes_out_plainly(
    engine: Engine, store: ObjectStore, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    commitment = CommitmentService(engine, store, "PRECUNEUS")
    asked(commitment)
    with listening(port) as told, caplog.at_level(logging.WARNING):
        assert commitment.tell_next()
    assert not told.heard.is_set()
    (record,) = [r for r in caplog.records if getattr(r, "action", "") == "commitment.postponed"]
    assert "PRECUNEUS_DICOM__TLS__CERTIFICATE" in record.__dict__["reason"]
    assert count_rows(engine, "commitment") == 1
