"""How known peers and our own node are called: plainly, or over TLS with the files of the settings.

It reads certificates, and opens no connection.
"""

from dicom_node.errors import TlsFilesUnusable
from dicom_node.tls.contexts import PeerTls, own_node_context, requestor_context
from dicom_node.tls.files import TlsFiles
from service.dicom_settings import DicomSettings

_UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to reach what binds so


def called_host(host: str) -> str:
    """Where our own node is called that listens on `host`."""
    return _UNSPECIFIED.get(host, host)


def own_tls_files(own: DicomSettings) -> TlsFiles | None:
    """Our certificate, its key, and whom we trust; None where no certificate is set."""
    tls = own.tls
    if tls.certificate is None:
        return None
    return TlsFiles(tls.certificate, tls.key, tls.ca, tls.crl)


def peer_tls(files: TlsFiles | None, host: str, bound_to: str | None = None) -> PeerTls:
    """How a peer is called over TLS, `bound_to` the certificate of that fingerprint if any.

    Raises:
        TlsFilesUnusable: no certificate of ours is set, or a file is missing or wrong.
    """
    return PeerTls(requestor_context(_required(files), bound_to=bound_to), host)


def own_node_tls(own: DicomSettings, host: str) -> PeerTls:
    """How our own node is called over TLS.

    Raises:
        TlsFilesUnusable: as `peer_tls`.
    """
    return PeerTls(own_node_context(_required(own_tls_files(own))), host)


def _required(files: TlsFiles | None) -> TlsFiles:
    if files is None:
        raise TlsFilesUnusable(
            "TLS needs a certificate of ours: set PRECUNEUS_DICOM__TLS__CERTIFICATE, and __KEY and "
            "__CA beside it"
        )
    return files
