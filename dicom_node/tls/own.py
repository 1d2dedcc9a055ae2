"""Examines our own certificate and key as a peer would: by a handshake with ourselves, in memory.

So everything is found at start that would otherwise be found by the first peer.
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dicom_node.errors import TlsFilesUnusable
from dicom_node.tls.files import TlsFiles
from dicom_node.tls.identity import PeerCertificate, certificate_of
from dicom_node.tls.profile import acceptor_profile, requestor_profile
from dicom_node.tls.revocation import revocation_concerns
from dicom_node.tls.words import validity_fault

_SOON_DAYS = 30
_CERTIFICATE, _KEY = b"-----BEGIN CERTIFICATE-----", b"PRIVATE KEY-----"


@dataclass(frozen=True)
class OwnCertificate:
    """Who we say we are, until when; `encoded` is the certificate alone, in PEM.

    `is_for_requesting`: whether it may be shown as a requestor's, too (extendedKeyUsage).
    """

    identity: PeerCertificate
    not_after: datetime
    encoded: str
    is_for_requesting: bool

    def days_left(self) -> float:
        """How long it is still valid."""
        return (self.not_after - datetime.now(UTC)).total_seconds() / 86400


class _Encrypted(Exception):
    """The key asks for a passphrase."""


def load_own(context: ssl.SSLContext, files: TlsFiles) -> None:
    """Put certificate and key into a context.

    Raises:
        TlsFilesUnusable: a file cannot be read, is no PEM, or the key is not the certificate's.
    """
    files.require_readable()
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_passphrase)
    except _Encrypted:
        raise TlsFilesUnusable(
            f"{files.key_file} is encrypted; nobody is there to type its passphrase: "
            "decrypt it with `openssl pkey`, for the service's account alone"
        ) from None
    except ssl.SSLError as error:
        raise TlsFilesUnusable(_loading_fault(files, error)) from None


def examine_own(files: TlsFiles) -> OwnCertificate:
    """What a peer will see of us.

    Raises:
        TlsFilesUnusable: as `load_own`, or no peer would take the certificate.
    """
    named = f"the certificate {files.certificate}"
    try:
        return _examined(files)
    except ssl.SSLCertVerificationError as error:
        raise TlsFilesUnusable(f"{named} {validity_fault(error)}") from None
    except ssl.SSLError as error:
        # A curve or kind of key that no cipher suite of the profile can use.
        raise TlsFilesUnusable(
            f"{named} has a key that BCP 195's TLS cannot use ({error.reason}): "
            "take RSA from 2048 bits on, or P-256"
        ) from None
    except ValueError:
        raise TlsFilesUnusable(f"{named} cannot be decoded: are its names ASCII?") from None


def _examined(files: TlsFiles) -> OwnCertificate:
    encoded = _shown(files)
    acceptor, requestor = acceptor_profile(), requestor_profile()
    requestor.check_hostname = False
    for context in (acceptor, requestor):
        load_own(context, files)
        context.load_verify_locations(cadata=encoded)
    client = _handshake(requestor, acceptor)
    identity = certificate_of(client)
    decoded = client.getpeercert()
    if identity is None or not decoded:
        raise TlsFilesUnusable(f"the certificate {files.certificate} cannot be decoded")
    acceptor.verify_mode = ssl.CERT_REQUIRED
    try:
        _handshake(requestor, acceptor)
    except ssl.SSLCertVerificationError:
        is_for_requesting = False
    else:
        is_for_requesting = True
    return OwnCertificate(identity, _date(decoded["notAfter"]), encoded, is_for_requesting)


def refusal_in_memory(requestor: ssl.SSLContext, acceptor: ssl.SSLContext) -> ssl.SSLError | None:
    """What keeps a handshake of both from coming about, tried in memory; None if nothing does."""
    try:
        _handshake(requestor, acceptor)
    except ssl.SSLError as error:
        return error
    return None


def concerns(files: TlsFiles, own: OwnCertificate) -> list[str]:
    """What works now, and an administrator should look at all the same."""
    found = []
    if files.is_key_exposed():
        found.append(f"every user of this machine can read {files.key_file}: `chmod 600` it")
    if own.days_left() < _SOON_DAYS:
        found.append(f"{files.certificate} expires on {own.not_after:%Y-%m-%d}: replace it")
    if not own.is_for_requesting:
        found.append(
            f"{files.certificate} is for servers alone (extendedKeyUsage): "
            "peers may refuse it where we call them"
        )
    if files.ca is None:
        found.append("no CA file: peers are not asked for certificates, whoever connects is heard")
    else:
        trusting = acceptor_profile()
        trusting.load_verify_locations(files.ca)
        found += _authority_concerns(files.ca, trusting)
        if files.crl is not None:
            authorities = trusting.get_ca_certs(binary_form=True)
            found += revocation_concerns(files.crl, authorities)
    return found


def _authority_concerns(path: Path, trusting: ssl.SSLContext) -> list[str]:
    try:
        ends = [_date(known["notAfter"]) for known in trusting.get_ca_certs()]
    except ValueError:
        return [f"{path} holds a certificate that cannot be decoded: see yourself when it expires"]
    if any(end < datetime.now(UTC) for end in ends):
        return [f"{path} holds an expired authority: its peers are refused"]
    return []


def _date(text: object) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(text)), UTC)


def _shown(files: TlsFiles) -> str:
    """The first certificate of the file, which is the one that TLS shows to peers."""
    acceptor, requestor = acceptor_profile(), requestor_profile()
    requestor.check_hostname = False
    requestor.verify_mode = ssl.CERT_NONE
    load_own(acceptor, files)
    client = _handshake(requestor, acceptor)
    encoded = client.getpeercert(binary_form=True)
    if encoded is None:
        raise TlsFilesUnusable(f"{files.certificate} holds no certificate")
    return ssl.DER_cert_to_PEM_cert(encoded)


def _handshake(requestor: ssl.SSLContext, acceptor: ssl.SSLContext) -> ssl.SSLObject:
    """The requestor's end after a whole handshake; raises `ssl.SSLError` as either end does."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = requestor.wrap_bio(to_client, to_server)
    server = acceptor.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    while waiting:
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
    return client


def _loading_fault(files: TlsFiles, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"the key {files.key_file} does not belong to the certificate {files.certificate}"
    if "TOO_SMALL" in (error.reason or "") or "TOO_WEAK" in (error.reason or ""):
        return f"{files.certificate} is too weak for BCP 195: take RSA from 2048 bits on, or P-256"
    for path, mark, what in (
        (files.certificate, _CERTIFICATE, "certificate"),
        (files.key_file, _KEY, "private key"),
    ):
        if mark not in path.read_bytes():
            return f"{path} holds no {what} in PEM"
    return f"{files.certificate} or {files.key_file} is damaged ({error.reason or 'no PEM'})"


def _no_passphrase() -> str:
    raise _Encrypted
