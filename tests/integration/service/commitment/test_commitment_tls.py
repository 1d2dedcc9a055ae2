"""The result of a storage commitment is told over TLS to a peer that is called so."""

from pathlib import Path

import pytest
from pydicom.uid import CTImageStorage
from sqlalchemy import Engine, text

from dicom_node.commitment import ActionRequest
from dicom_node.configure import configure_pydicom, configure_pynetdicom
from dicom_node.files import ObjectStore
from dicom_node.statuses import ActionStatus
from dicom_node.tls.contexts import acceptor_context
from dicom_node.tls.files import TlsFiles
from service.commitment.service import CommitmentService
from service.peers import Peer, add_peer
from tests.integration.service.commitment.test_commitment import ABSENT, information, listening
from tests.support.certificates import Certificates, make_certificates
from tests.support.service import free_port


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))
