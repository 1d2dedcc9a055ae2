"""Makes the contexts of both sides: with our certificate, and trusting whom the CA file names.

Peers are always verified where they show a certificate; there is no way to switch that off.
"""

import ssl
from dataclasses import dataclass
from typing import Any

from dicom_node.errors import TlsFilesUnusable
from dicom_node.tls.files import TlsFiles
from dicom_node.tls.identity import fingerprint_of, normal_fingerprint
from dicom_node.tls.own import examine_own, load_own
from dicom_node.tls.profile import acceptor_profile, requestor_profile
from dicom_node.tls.revocation import refuse_revoked


@dataclass(frozen=True)
class PeerTls:
    """How a peer is called over TLS; `name` is sent as SNI, and its certificate must say it."""

    context: ssl.SSLContext
    name: str

    @property
    def arguments(self) -> tuple[ssl.SSLContext, str]:
        """As pynetdicom takes them."""
        return self.context, self.name


def acceptor_context(files: TlsFiles, *, demand: bool | None = None) -> ssl.SSLContext:
    """The context of the side that is called.

    Args:
        files: our certificate, and whose signatures on peers' certificates we trust.
        demand: whether a peer must show a certificate; unset: when there is a CA file. False with a
            CA file: one that is shown must still be good.

    Raises:
        TlsFilesUnusable: a file is missing or wrong, or certificates are demanded without a CA.
    """
    context = acceptor_profile()
    load_own(context, files)
    if files.ca is None:
        if demand:
            raise TlsFilesUnusable("peers' certificates are demanded, but no CA file is given")
        return context
    _trust(context, files)
    context.verify_mode = ssl.CERT_OPTIONAL if demand is False else ssl.CERT_REQUIRED
    return context


def requestor_context(files: TlsFiles, *, bound_to: str | None = None) -> ssl.SSLContext:
    """The context of the side that calls.

    Args:
        files: our certificate, which peers may demand; without a CA file the system's are trusted.
        bound_to: SHA-256 fingerprint of the one certificate that the peer may show. Then the name
            in it does not matter, as it seldom does where peers are configured by address; the
            signature still does.

    Raises:
        TlsFilesUnusable: a file is missing or wrong.
    """
    context = requestor_profile()
    load_own(context, files)
    if files.ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _trust(context, files)
    if bound_to is not None:
        context.check_hostname = False
        context.sslsocket_class = bound_socket(normal_fingerprint(bound_to))
    return context


def own_node_context(files: TlsFiles) -> ssl.SSLContext:
    """The context for calling our own node: it trusts our own certificate and no other.

    Raises:
        TlsFilesUnusable: a file is missing or wrong.
    """
    context = requestor_profile()
    load_own(context, files)
    context.check_hostname = False
    context.load_verify_locations(cadata=examine_own(files).encoded)
    return context


def bound_socket(fingerprint: str) -> type[ssl.SSLSocket]:
    """A kind of socket whose handshake fails with any other certificate."""

    class BoundSocket(ssl.SSLSocket):
        def do_handshake(self, *arguments: Any, **options: Any) -> None:
            super().do_handshake(*arguments, **options)
            if fingerprint_of(self.getpeercert(binary_form=True) or b"") != fingerprint:
                error = ssl.SSLCertVerificationError("another certificate")
                error.verify_code, error.verify_message = 0, "it is not the one it is bound to"
                raise error

    return BoundSocket


def _trust(context: ssl.SSLContext, files: TlsFiles) -> None:
    try:
        context.load_verify_locations(files.ca)
    except ssl.SSLError:
        raise TlsFilesUnusable(f"the CA file {files.ca} holds no certificate in PEM") from None
    if files.crl is not None:
        refuse_revoked(context, files.crl)
