"""Where a peer is, and the two AE titles of an association with it."""

from dataclasses import dataclass

from dicom_node.tls.contexts import PeerTls


@dataclass(frozen=True)
class PeerAddress:
    """A peer's host and port, its AE title, and what we call ourselves.

    With `tls` it is called over TLS, and never without.
    """

    host: str
    port: int
    called_ae_title: str
    calling_ae_title: str
    tls: PeerTls | None = None

    def __str__(self) -> str:
        return f"{self.called_ae_title} at {self.host}:{self.port}"
