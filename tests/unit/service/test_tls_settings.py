"""DICOM over TLS as it is configured."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.dicom_settings import DicomSettings, DicomTlsSettings
from service.errors import ConfigurationError
from service.processes.node import node_config
from service.settings import Settings
from service.tls import require_tls_files


def test_variables_reach_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "CERTIFICATE": "/tls/node.pem",
        "KEY": "/tls/node.key",
        "CA": "/tls/ca.pem",
        "CRL": "/tls/crl.pem",
        "PORT": "12762",
        "HANDSHAKE_TIMEOUT_S": "3",
    }.items():
        monkeypatch.setenv(f"PRECUNEUS_DICOM__TLS__{name}", value)
    monkeypatch.setenv("PRECUNEUS_DICOM__PLAIN", "false")
    config = node_config(Settings().dicom)
    assert config.tls is not None
    files = config.tls.files
    assert (files.certificate, files.key) == (Path("/tls/node.pem"), Path("/tls/node.key"))
    assert (files.ca, files.crl) == (Path("/tls/ca.pem"), Path("/tls/crl.pem"))
    assert (config.tls.port, config.port) == (12762, None)
    assert config.deadlines.handshake_s == 3


def test_an_empty_variable_is_none() -> None:
    tls = DicomTlsSettings.model_validate({"certificate": "/tls/node.pem", "ca": "", "crl": ""})
    assert (tls.ca, tls.crl) == (None, None)


def test_without_tls_and_plain_nobody_could_connect() -> None:
    with pytest.raises(ValidationError, match="nobody could connect"):
        DicomSettings(plain=False)


def test_a_key_without_a_certificate_is_told() -> None:
    with pytest.raises(ValidationError, match="needs a certificate"):
        DicomTlsSettings(key=Path("/tls/node.key"))


def test_a_list_without_authorities_is_told() -> None:
    with pytest.raises(ValidationError, match="set __CA, too"):
        DicomTlsSettings(certificate=Path("/tls/node.pem"), crl=Path("/tls/crl.pem"))


def test_a_missing_file_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read") as told:
        require_tls_files(DicomTlsSettings(certificate=tmp_path / "no.pem"))
    assert told.value.exit_code == 2
