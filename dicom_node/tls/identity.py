"""Whose certificate it is: its fingerprint and its names, fit for a log line or a database."""

import hashlib
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_MAX_NAMES = 8
_MAX_NAME_LENGTH = 253


@dataclass(frozen=True)
class PeerCertificate:
    """A certificate whose key its owner has proven to hold, and whose signer we trust.

    `fingerprint` is the SHA-256 of its DER encoding, 64 lower-case hexadecimal digits. `names` are
    the subject's common name and the DNS names of subjectAltName, a few at most.
    """

    fingerprint: str
    names: tuple[str, ...]


def certificate_of(connection: ssl.SSLObject | ssl.SSLSocket) -> PeerCertificate | None:
    """The other side's certificate after the handshake; None where it showed none."""
    encoded = connection.getpeercert(binary_form=True)
    if encoded is None:
        return None
    return PeerCertificate(fingerprint_of(encoded), _names(_decoded(connection)))


def _decoded(connection: ssl.SSLObject | ssl.SSLSocket) -> Mapping[str, object]:
    """What the certificate says; nothing where the library cannot read it.

    OpenSSL takes DNS names that are not ASCII, as some authorities write them. The names are for an
    administrator's eyes alone, so they are no ground to refuse a peer that is trusted.
    """
    try:
        return connection.getpeercert() or {}
    except ValueError:
        return {}


def fingerprint_of(encoded: bytes) -> str:
    """The SHA-256 of a certificate in DER, as `PeerCertificate` has it."""
    return hashlib.sha256(encoded).hexdigest()


def normal_fingerprint(text: str) -> str:
    """A fingerprint as openssl prints it ("AB:CD:…"), as `PeerCertificate` has it."""
    return text.replace(":", "").strip().lower()


def certificate_fault(certificate: PeerCertificate | None, bound_to: str) -> str | None:
    """Why a caller is not the peer whose certificate has the fingerprint `bound_to`, None if it is.

    For a list of known peers: a peer that is bound to a certificate may not come without it.
    """
    if certificate is None:
        return "the peer is known by its certificate, and came without one"
    if certificate.fingerprint != normal_fingerprint(bound_to):
        return f"the peer is known by another certificate than {certificate.fingerprint}"
    return None


def _names(decoded: Mapping[str, object]) -> tuple[str, ...]:
    found = [name for kind, name in _pairs(decoded.get("subject")) if kind == "commonName"]
    alternatives = decoded.get("subjectAltName")
    if isinstance(alternatives, tuple):
        found += [name for kind, name in alternatives if kind == "DNS"]
    return tuple(dict.fromkeys(map(_printable, found)))[:_MAX_NAMES]


def _pairs(subject: object) -> Iterable[tuple[str, str]]:
    """The attributes of a distinguished name, which the library nests."""
    if isinstance(subject, tuple):
        for relative in subject:
            yield from relative


def _printable(name: str) -> str:
    return "".join(
        character if character.isprintable() else "?" for character in name[:_MAX_NAME_LENGTH]
    )
