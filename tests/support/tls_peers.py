"""Peers that are called over TLS: dcmtk's receiver, and how a test calls them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dicom_node.requesting.address import PeerAddress
from dicom_node.tls.contexts import PeerTls, requestor_context
from dicom_node.tls.files import TlsFiles
from tests.support.certificates import Identity
from tests.support.service import AE_TITLE, free_port, listens
from tests.support.waiting import PATIENCE_S, eventually


def over_tls(
    port: int, files: TlsFiles, *, host: str = "127.0.0.1", bound_to: str | None = None
) -> PeerAddress:
    """A peer of this machine, called as the service calls it."""
    tls = PeerTls(requestor_context(files, bound_to=bound_to), host)
    return PeerAddress(host, port, AE_TITLE, "TEST", tls)


@contextmanager
def secure_storescp(folder: Path, shown: Identity, trusted: Path) -> Iterator[int]:
    """dcmtk's receiver, which demands a certificate that `trusted` has signed; yields its port."""
    port = free_port()
    folder.mkdir()
    secured = ("+tls", shown.key, shown.certificate, "+cf", trusted)
    command = ["storescp", "+B", "+xa", "+uf", *secured, "-aet", AE_TITLE, "-od", folder, port]
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        eventually(lambda: listens(port), "storescp listens")
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
