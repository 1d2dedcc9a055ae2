"""Certificates that their authority has revoked: shown to us, and shown by whom we call."""

import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node.errors import AssociationFailed, TlsFilesUnusable
from dicom_node.requesting.verifying import verify
from dicom_node.tls.files import TlsFiles
from dicom_node.tls.keeping import TlsAcceptance
from tests.integration.dicom_node.conftest import RunningNode
from tests.support.certificates import Certificates, Identity, client_context, make_certificates
from tests.support.secure_peers import SecurePeer
from tests.support.tls_peers import over_tls, secure_storescp
from tests.support.waiting import eventually

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    """A hospital's own, since what is revoked stays so."""
    return make_certificates(tmp_path / "certificates")


@pytest.fixture
def listed(made: Certificates, tmp_path: Path) -> TlsFiles:
    """The node's files, with a list that names nobody yet."""
    return replace(made.files, crl=made.authority.list_revoked(tmp_path / "crl.pem"))


def is_taken(
    node: RunningNode, made: Certificates, shown: Identity, version: ssl.TLSVersion | None = None
) -> bool:
    context = client_context(made, shown, version)
    try:
        with SecurePeer(node.tls_port, context) as peer:
            peer.associate()
            peer.release()
    except (OSError, AssertionError, IndexError):
        return False
    return True


def reasons(node: RunningNode) -> str:
    return "; ".join(event.reason for event in node.counter.events)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_a_revoked_peer_is_refused_without_a_restart(
    start_node: Callable[..., RunningNode],
    made: Certificates,
    listed: TlsFiles,
    version: ssl.TLSVersion,
) -> None:
    assert listed.crl is not None
    node = start_node(tls=TlsAcceptance(listed, 0, check_s=0.05))
    assert is_taken(node, made, made.peer, version)
    made.authority.revoke(made.peer)
    made.authority.list_revoked(listed.crl)
    eventually(lambda: not is_taken(node, made, made.peer, version), "the new list counts")
    told = "the peer's certificate is refused: certificate revoked"
    eventually(lambda: told in reasons(node), "the log says why")
    assert is_taken(node, made, made.authority.sign("another"), version)


def resumed(
    node: RunningNode, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLSession | None, bool | None]:
    """The session of a new connection that wants to go on with `session`, and whether it did."""
    with (
        socket.create_connection(("127.0.0.1", node.tls_port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="localhost", session=session) as tls,
    ):
        return tls.session, tls.session_reused


def test_a_revoked_peer_cannot_resume_what_it_had(
    start_node: Callable[..., RunningNode], made: Certificates, listed: TlsFiles
) -> None:
    """In TLS 1.2 a session stands for the certificate that was shown when it began."""
    assert listed.crl is not None
    node = start_node(tls=TlsAcceptance(listed, 0, check_s=0.05))
    context = client_context(made, made.peer, ssl.TLSVersion.TLSv1_2)
    session, _ = resumed(node, context)
    assert resumed(node, context, session)[1]
    made.authority.revoke(made.peer)
    made.authority.list_revoked(listed.crl)
    eventually(lambda: not is_taken(node, made, made.peer), "the new list counts")
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REVOKED"):
        resumed(node, context, session)


def test_an_authority_without_a_list(
    start_node: Callable[..., RunningNode], made: Certificates, tmp_path: Path
) -> None:
    crl = made.foreign_authority.list_revoked(tmp_path / "crl.pem")
    node = start_node(tls=TlsAcceptance(replace(made.files, crl=crl), 0))
    assert not is_taken(node, made, made.peer)
    eventually(lambda: "our CRL file has no list of whoever signed it" in reasons(node), "told")


def test_an_expired_list_shuts_its_signers_peers_out(
    start_node: Callable[..., RunningNode],
    made: Certificates,
    listed: TlsFiles,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert listed.crl is not None
    made.authority.list_revoked(listed.crl, until="20240101000000Z")
    node = start_node(tls=TlsAcceptance(listed, 0, check_s=0.05))
    assert "crl.pem holds an expired list" in caplog.text
    assert not is_taken(node, made, made.peer)
    eventually(lambda: "of whoever signed it has expired" in reasons(node), "told")
    made.authority.list_revoked(listed.crl)
    eventually(lambda: is_taken(node, made, made.peer), "the new list counts")


BROKEN = {
    "missing": "crl.pem cannot be read: No such file",
    "empty": "holds no list in PEM",
    "half": "or a damaged one",
    "garbled": "or a damaged one",
    "with a certificate": "holds certificates",
}


def break_list(crl: Path, kind: str, made: Certificates) -> None:
    whole = crl.read_text()
    if kind == "missing":
        crl.unlink()
        return
    crl.write_text(
        {
            "empty": "",
            "half": whole[: len(whole) // 2],
            "garbled": whole.replace("M", "?"),
            "with a certificate": whole + made.foreign_authority.certificate.read_text(),
        }[kind]
    )


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_cannot_be_used(
    start_node: Callable[..., RunningNode], made: Certificates, listed: TlsFiles, kind: str
) -> None:
    assert listed.crl is not None
    break_list(listed.crl, kind, made)
    with pytest.raises(TlsFilesUnusable, match=BROKEN[kind]):
        start_node(tls=TlsAcceptance(listed, 0))
    with pytest.raises(TlsFilesUnusable, match=BROKEN[kind]):
        over_tls(1, listed)


def test_a_broken_file_leaves_the_old_list_in_force(
    start_node: Callable[..., RunningNode],
    made: Certificates,
    listed: TlsFiles,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert listed.crl is not None
    made.authority.revoke(made.peer)
    made.authority.list_revoked(listed.crl)
    node = start_node(tls=TlsAcceptance(listed, 0, check_s=0.05))
    break_list(listed.crl, "half", made)
    eventually(lambda: "or a damaged one; the old ones stay" in caplog.text, "the log says so")
    assert not is_taken(node, made, made.peer)
    assert is_taken(node, made, made.node)


@pytest.fixture
def receiver(made: Certificates, tmp_path: Path) -> Iterator[int]:
    if shutil.which("storescp") is None:
        pytest.skip("dcmtk is not installed")
    with secure_storescp(tmp_path / "peer", made.peer, made.authority.certificate) as port:
        yield port


def test_a_revoked_peer_is_not_called(receiver: int, made: Certificates, listed: TlsFiles) -> None:
    assert listed.crl is not None
    verify(over_tls(receiver, listed))
    made.authority.revoke(made.peer)
    made.authority.list_revoked(listed.crl)
    for bound_to in (None, made.peer.fingerprint):
        with pytest.raises(AssociationFailed, match="is refused: certificate revoked"):
            verify(over_tls(receiver, listed, bound_to=bound_to))
