"""DICOM over TLS as the settings have it, and whether its files can be used.

Nothing here opens a connection.
"""

import ssl
from dataclasses import dataclass
from datetime import datetime

from dicom_node.errors import TlsFilesUnusable
from dicom_node.tls.contexts import acceptor_context, own_node_context
from dicom_node.tls.files import TlsFiles
from dicom_node.tls.keeping import TlsAcceptance
from dicom_node.tls.own import OwnCertificate, examine_own, refusal_in_memory
from dicom_node.tls.revocation import lapsed_since
from dicom_node.tls.words import fault_of
from service.dicom_settings import DicomTlsSettings
from service.errors import ConfigurationError

# Those of X509_verify_cert (OpenSSL's x509_vfy.h) that another CA file would not heal.
_NO_LIST, _REVOKED, _PURPOSE = 3, 23, 26
_REMEDIES = {
    _NO_LIST: (
        "Have PRECUNEUS_DICOM__TLS__CRL hold the list of each authority that __CA names: "
        "the peers of one without a list are refused."
    ),
    _REVOKED: "Have its authority sign another: peers that know of its list refuse this one.",
    _PURPOSE: "Have it signed for clients, too (extendedKeyUsage): peers may refuse it as we do.",
}
_TRUST_OUR_SIGNER = (
    "Have PRECUNEUS_DICOM__TLS__CA name our signer, too: then the node can call itself."
)


@dataclass(frozen=True)
class OwnRefusal:
    """Why the node would refuse its own certificate, and what to do.

    `is_wrong`: its peers have the same reason to refuse it.
    """

    words: str
    remedy: str
    is_wrong: bool


def tls_acceptance(tls: DicomTlsSettings) -> TlsAcceptance | None:
    """How the node accepts associations over TLS; None where it does not."""
    if tls.certificate is None:
        return None
    files = TlsFiles(tls.certificate, tls.key, tls.ca, tls.crl)
    return TlsAcceptance(files, tls.port, tls.demand_certificate)


def require_tls_files(tls: DicomTlsSettings) -> OwnCertificate | None:
    """Make sure that the node can speak TLS, if it is to; says what it will show.

    Raises:
        ConfigurationError: a file is missing or wrong; the message says which setting names it.
    """
    acceptance = tls_acceptance(tls)
    if acceptance is None:
        return None
    try:
        own = examine_own(acceptance.files)
        acceptor_context(acceptance.files, demand=acceptance.demand)
    except TlsFilesUnusable as error:
        raise ConfigurationError(f"PRECUNEUS_DICOM__TLS: {error}.") from None
    return own


def own_refusal(tls: DicomTlsSettings) -> OwnRefusal | None:
    """Why the node would refuse its own certificate if it called itself; None where it would not.

    Raises:
        ConfigurationError: as `require_tls_files`.
    """
    acceptance = tls_acceptance(tls)
    if acceptance is None:
        return None
    try:
        acceptor = acceptor_context(acceptance.files, demand=acceptance.demand)
        error = refusal_in_memory(own_node_context(acceptance.files), acceptor)
    except TlsFilesUnusable as fault:
        raise ConfigurationError(f"PRECUNEUS_DICOM__TLS: {fault}.") from None
    if error is None:
        return None
    code = error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else None
    remedy = _TRUST_OUR_SIGNER if code is None else _REMEDIES.get(code, _TRUST_OUR_SIGNER)
    return OwnRefusal(fault_of(error), remedy, is_wrong=code == _REVOKED)


def lists_lapsed_since(tls: DicomTlsSettings) -> datetime | None:
    """Since when a list of revoked certificates has been too old to be believed; None if none is.

    Raises:
        ConfigurationError: a list cannot be understood.
    """
    try:
        return None if tls.crl is None else lapsed_since(tls.crl)
    except TlsFilesUnusable as error:
        raise ConfigurationError(f"PRECUNEUS_DICOM__TLS: {error}.") from None
