"""`RawPeer` over TLS: one that shakes hands well, so that what it says inside can be bad."""

import ssl
from pathlib import Path

from tests.support.raw_peers import RawPeer


class SecurePeer(RawPeer):
    """A connection to a node of this machine, after its TLS handshake."""

    def __init__(
        self, port: int, context: ssl.SSLContext, *, source: str = "127.0.0.1", small: bool = False
    ) -> None:
        super().__init__(port, source=source, small=small)
        self.tls = context.wrap_socket(self.socket, server_hostname="localhost")
        self.socket = self.tls

    def send(self, data: bytes) -> None:
        try:
            super().send(data)
        except ssl.SSLError as error:
            raise ConnectionResetError(str(error)) from error

    def shown(self) -> bytes:
        """The certificate that the node shows, in DER."""
        encoded = self.tls.getpeercert(binary_form=True)
        assert encoded is not None
        return encoded


def dcmtk_options(certificate: Path, key: Path, authority: Path) -> tuple[object, ...]:
    """What has dcmtk's programs use TLS."""
    return "+tls", key, certificate, "+cf", authority
