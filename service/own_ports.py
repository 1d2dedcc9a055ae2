"""What `precuneus doctor` says of the ports that are ours: whether ours answers there.

It asks as a peer would, and changes nothing.
"""

import json
from collections.abc import Iterator
from http.client import HTTPException
from urllib.request import urlopen

from dicom_node.configure import configure_pynetdicom
from dicom_node.errors import TlsFilesUnusable
from dicom_node.scu import echo
from service.calling import called_host, own_node_tls
from service.dicom_settings import DicomSettings
from service.errors import ServiceError
from service.finding import Finding
from service.ports import is_free
from service.settings import HttpSettings, Settings
from service.tls import lists_lapsed_since, own_refusal, require_tls_files

_PLAIN, _TLS, _HTTP = "DICOM port", "DICOM TLS", "HTTP port"
_OTHER = "If another program holds it: stop that, or set"


def examine_ports(settings: Settings) -> Iterator[Finding]:
    """Look at the node's ports, as far as it is to have them, and at the API's."""
    if settings.dicom.plain:
        yield _plain_port(settings.dicom)
    if settings.dicom.tls.certificate is not None:
        yield _tls_port(settings.dicom)
    yield _http_port(settings.http)


def _plain_port(dicom: DicomSettings) -> Finding:
    place = f"{dicom.host}:{dicom.port}"
    if is_free(dicom.host, dicom.port):
        return Finding(_PLAIN, "ok", f"{place} is free: the node is not up")
    configure_pynetdicom()
    answer = echo(called_host(dicom.host), dicom.port, dicom.ae_title, dicom.ae_title)
    if answer.succeeded:
        return Finding(_PLAIN, "ok", f"{place} answers our C-ECHO")
    remedy = f"{_OTHER} PRECUNEUS_DICOM__PORT."
    return Finding(_PLAIN, "wrong", f"{place}: {answer.reason}", remedy)


def _tls_port(dicom: DicomSettings) -> Finding:
    place = f"{dicom.host}:{dicom.tls.port}"
    try:
        own = require_tls_files(dicom.tls)
        refusal, lapsed = own_refusal(dicom.tls), lists_lapsed_since(dicom.tls)
    except ServiceError as error:
        return Finding(_TLS, "wrong", "the node cannot start", str(error))
    if lapsed is not None:
        told = f"a list of {dicom.tls.crl} expired on {lapsed:%Y-%m-%d}: its peers are refused"
        return Finding(_TLS, "wrong", told, "Fetch its signer's new list; no restart is needed.")
    until = f"certificate until {own.not_after:%Y-%m-%d}" if own else ""
    if refusal is not None and refusal.is_wrong:
        told = f"the node refuses its own certificate {dicom.tls.certificate} ({refusal.words})"
        return Finding(_TLS, "wrong", told, refusal.remedy)
    if is_free(dicom.host, dicom.tls.port):
        return Finding(_TLS, "ok", f"{place} is free: the node is not up; {until}")
    if refusal is not None:
        why = f"the node refuses its own certificate ({refusal.words})"
        return Finding(_TLS, "note", f"{place} is not asked: {why}; {until}", refusal.remedy)
    return _called_over_tls(dicom, place, until)


def _called_over_tls(dicom: DicomSettings, place: str, until: str) -> Finding:
    host, title = called_host(dicom.host), dicom.ae_title
    configure_pynetdicom()
    try:
        answer = echo(host, dicom.tls.port, title, title, own_node_tls(dicom, host))
    except TlsFilesUnusable as error:  # replaced since they were looked at
        return Finding(_TLS, "wrong", "the files cannot be used", f"{error}.")
    if answer.succeeded:
        return Finding(_TLS, "ok", f"{place} answers our C-ECHO over TLS; {until}")
    remedy = (
        f"Our node must show {dicom.tls.certificate} there: start it again if it shows another. "
        f"{_OTHER} PRECUNEUS_DICOM__TLS__PORT."
    )
    return Finding(_TLS, "wrong", f"{place}: {answer.reason}", remedy)


def _http_port(http: HttpSettings) -> Finding:
    place = f"{http.host}:{http.port}"
    if is_free(http.host, http.port):
        return Finding(_HTTP, "ok", f"{place} is free: the API is not up")
    try:
        with urlopen(f"http://{place}/livez", timeout=5) as answer:
            alive = json.loads(answer.read()) == {"status": "alive"}
    except (OSError, HTTPException, ValueError):
        alive = False
    if alive:
        return Finding(_HTTP, "ok", f"{place} answers as our API")
    remedy = f"{_OTHER} PRECUNEUS_HTTP__PORT."
    return Finding(_HTTP, "wrong", f"{place} does not answer as our API", remedy)
