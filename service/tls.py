"""DICOM over TLS as the settings have it, and whether its files can be used.

Nothing here opens a connection.
"""

from datetime import datetime

from dicom_node.errors import TlsFilesUnusable
from dicom_node.tls.contexts import acceptor_context, own_node_context
from dicom_node.tls.files import TlsFiles
from dicom_node.tls.keeping import TlsAcceptance
from dicom_node.tls.own import OwnCertificate, examine_own, refusal_in_memory
from dicom_node.tls.revocation import lapsed_since
from service.dicom_settings import DicomTlsSettings
from service.errors import ConfigurationError


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


def own_refusal(tls: DicomTlsSettings) -> str | None:
    """Why the node would refuse its own certificate if it called itself; None where it would not.

    Raises:
        ConfigurationError: as `require_tls_files`.
    """
    acceptance = tls_acceptance(tls)
    if acceptance is None:
        return None
    try:
        acceptor = acceptor_context(acceptance.files, demand=acceptance.demand)
        return refusal_in_memory(own_node_context(acceptance.files), acceptor)
    except TlsFilesUnusable as error:
        raise ConfigurationError(f"PRECUNEUS_DICOM__TLS: {error}.") from None


def lists_lapsed_since(tls: DicomTlsSettings) -> datetime | None:
    """Since when a list of revoked certificates has been too old to be believed; None if none is.

    Raises:
        ConfigurationError: a list cannot be understood.
    """
    try:
        return None if tls.crl is None else lapsed_since(tls.crl)
    except TlsFilesUnusable as error:
        raise ConfigurationError(f"PRECUNEUS_DICOM__TLS: {error}.") from None
