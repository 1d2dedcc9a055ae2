"""Certificates that cannot be used, and new ones while the node runs."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node.errors import TlsFilesUnusable
from dicom_node.tls.files import TlsFiles
from dicom_node.tls.identity import fingerprint_of
from dicom_node.tls.keeping import TlsAcceptance
from tests.integration.dicom_node.conftest import RunningNode
from tests.support.certificates import NOT_ASCII, Certificates, Identity, client_context
from tests.support.secure_peers import SecurePeer
from tests.support.waiting import eventually


def unusable(made: Certificates, folder: Path) -> dict[str, tuple[TlsFiles, bool | None, str]]:
    """Files, whether certificates are demanded, and what is said about them."""
    good, sign = made.files, made.authority.sign
    late, odd = sign("expired", days=-1), sign("odd", extensions=NOT_ASCII)
    curved = sign("curved", curve="secp256k1")
    empty = folder / "empty.pem"
    empty.write_text("nothing\n")
    return {
        "missing": (replace(good, key=folder / "no.key"), None, "no.key cannot be read: No such"),
        "expired": (TlsFiles(late.certificate, late.key), None, "expired.pem has expired"),
        "not ASCII": (TlsFiles(odd.certificate, odd.key), None, "odd.pem cannot be decoded"),
        "no suite's key": (TlsFiles(curved.certificate, curved.key), None, "or P-256"),
        "another's key": (replace(good, key=made.peer.key), None, "does not belong to the"),
        "no certificate": (replace(good, certificate=empty), None, "holds no certificate in PEM"),
        "no CA": (replace(good, ca=empty), None, "empty.pem holds no certificate in PEM"),
        "nobody to trust": (replace(good, ca=None), True, "demanded, but no CA file is given"),
    }


@pytest.mark.parametrize(
    "kind",
    [
        "missing",
        "expired",
        "not ASCII",
        "no suite's key",
        "another's key",
        "no certificate",
        "no CA",
        "nobody to trust",
    ],
)
def test_a_node_does_not_start_with_unusable_files(
    start_node: Callable[..., RunningNode], certificates: Certificates, tmp_path: Path, kind: str
) -> None:
    files, demand, words = unusable(certificates, tmp_path)[kind]
    with pytest.raises(TlsFilesUnusable) as told:
        start_node(tls=TlsAcceptance(files, port=0, demand=demand))
    assert words in str(told.value)


def install(identity: Identity, folder: Path) -> TlsFiles:
    """Copy certificate and key to where a node looks for them."""
    files = TlsFiles(folder / "node.pem", folder / "node.key")
    shutil.copy(identity.key, files.key_file)
    shutil.copy(identity.certificate, files.certificate)
    return files


def test_a_new_certificate_is_used_without_a_restart_and_a_broken_one_is_not(
    start_node: Callable[..., RunningNode],
    certificates: Certificates,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    node = start_node(tls=TlsAcceptance(install(certificates.node, tmp_path), 0, check_s=0.05))
    context = client_context(certificates, None)

    def shown() -> str:
        with SecurePeer(node.tls_port, context) as peer:
            assert peer.associate() == 0x02
            peer.release()
            return fingerprint_of(peer.shown())

    def told_of(reason: str) -> bool:
        return any(
            vars(record).get("action") == "tls.unusable" and reason in record.getMessage()
            for record in caplog.records
        )

    with SecurePeer(node.tls_port, context) as standing:
        assert standing.associate() == 0x02
        assert shown() == certificates.node.fingerprint
        renewed = certificates.authority.sign("renewed")
        install(renewed, tmp_path)
        eventually(lambda: shown() == renewed.fingerprint, "the new certificate is used")

        (tmp_path / "node.pem").write_text("half a certif")
        eventually(lambda: told_of("holds no certificate in PEM"), "the log says so")
        assert shown() == renewed.fingerprint
        install(certificates.authority.sign("outdated", days=-1), tmp_path)
        eventually(lambda: told_of("has expired"), "the log says so")
        assert shown() == renewed.fingerprint

        install(certificates.node, tmp_path)
        eventually(lambda: shown() == certificates.node.fingerprint, "it was mended")
        standing.release()


def test_an_authority_whose_names_cannot_be_decoded_is_trusted_all_the_same(
    start_node: Callable[..., RunningNode],
    certificates: Certificates,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    own = certificates.authority
    odd = own.sign("odd-ca", extensions=f"{NOT_ASCII}basicConstraints=CA:TRUE\n")
    both = tmp_path / "both.pem"
    both.write_text(own.certificate.read_text() + odd.certificate.read_text())
    node = start_node(tls=TlsAcceptance(replace(certificates.files, ca=both), 0))
    assert "both.pem holds a certificate that cannot be decoded" in caplog.text
    with SecurePeer(node.tls_port, client_context(certificates, certificates.peer)) as peer:
        assert peer.associate() == 0x02
        peer.release()
