"""TLS below an association, in memory between the socket and OpenSSL: nothing here ever waits.

Whatever has come is decrypted at once, so that nothing lies hidden where the loop cannot see it.
"""

import contextlib
import socket
import ssl
from typing import Any, NoReturn

from dicom_node.network.transport import PlainTransport, Security, TransportRefused
from dicom_node.tls.identity import certificate_of
from dicom_node.tls.words import fault_of

# Read at a time: decrypted it is never longer, and with a record's rest it fits into any buffer.
_AT_ONCE = 1 << 16
_RECORD = 1 << 14
_HANDSHAKE_RECORD = 0x16
_ASSOCIATE_RQ = 0x01
_CLOSED_EARLY = (
    "the peer closed the connection during the TLS handshake; does it trust our certificate?"
)


class TlsTransport:
    """A peer that must speak TLS; we are the side that was called."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self._plain = PlainTransport(connection)
        self.socket = connection
        self.security: Security | None = None
        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._arrived, self._leaving, server_side=True)
        self._unsent = memoryview(b"")
        self._has_begun = False
        self._is_refused = False
        self._awaiting: TransportRefused | bool = False

    @property
    def is_open(self) -> bool:
        """As `Transport` says."""
        return self.security is not None

    @property
    def has_unsent(self) -> bool:
        """As `Transport` says."""
        return bool(self._unsent) or (bool(self._leaving.pending) and not self._is_refused)

    @property
    def has_more(self) -> bool:
        """As `Transport` says: an end or a fault stood behind the last bytes."""
        return self._awaiting is not False

    def receive(self, buffer: memoryview) -> int | None:
        """As `Transport` says."""
        if self._awaiting is not False:
            return self._tell()
        size = self._plain.receive(buffer[:_AT_ONCE])
        if size is None or self._is_refused:
            return size
        if size == 0:
            if self._has_begun and self.security is None:
                self._refuse(_CLOSED_EARLY)
            return 0
        if not self._has_begun:
            self._has_begun = True
            self._require_hello(buffer[0])
        self._arrived.write(buffer[:size])
        try:
            return self._decrypt(buffer)
        finally:
            self._flush()

    def send(self, data: memoryview) -> int:
        """As `Transport` says; the next record is made when the one before is sent."""
        self._flush()
        if not self.is_open or self._is_refused:
            return len(data)  # nobody could read it
        if self._unsent:
            return 0
        taken = 0
        while taken < len(data) and not self._unsent:
            taken += self._tls.write(data[taken : taken + _RECORD])
            self._flush()
        return taken

    def close(self) -> None:
        """As `Transport` says; a peer that still listens hears that nothing was cut off."""
        if self.is_open and not self._is_refused:
            with contextlib.suppress(OSError):
                # It wants to wait for the peer's answer, which nobody needs.
                self._tls.unwrap()
            with contextlib.suppress(OSError):
                self._flush()
        self._plain.close()

    def _require_hello(self, first: int) -> None:
        if first == _HANDSHAKE_RECORD:
            return
        if first == _ASSOCIATE_RQ:
            words = "plain DICOM on the TLS port: have the peer use TLS, or the plain port"
        else:
            words = "no TLS on the TLS port"
        self._refuse(words)

    def _decrypt(self, buffer: memoryview) -> int | None:
        filled = 0
        # With a buffer it returns a number, which its type does not say.
        read: Any = self._tls.read
        try:
            if self.security is None:
                self._shake_hands()
            while (size := read(len(buffer) - filled, buffer[filled:])) > 0:
                filled += size
            self._awaiting = True
        except ssl.SSLWantReadError:
            return filled or None
        except ssl.SSLZeroReturnError:
            self._awaiting = self.is_open or TransportRefused(_CLOSED_EARLY)
        except ssl.SSLError as error:
            self._awaiting = TransportRefused(fault_of(error))
        return filled or self._tell()

    def _shake_hands(self) -> None:
        self._tls.do_handshake()
        cipher = self._tls.cipher()
        self.security = Security(
            self._tls.version() or "", cipher[0] if cipher else "", certificate_of(self._tls)
        )

    def _tell(self) -> int:
        """The end or the fault that was found."""
        awaiting, self._awaiting = self._awaiting, False
        if isinstance(awaiting, TransportRefused):
            self._refuse(str(awaiting))
        return 0

    def _refuse(self, words: str) -> NoReturn:
        """Send the alert, if there is one, and then nothing more."""
        with contextlib.suppress(OSError):
            self._flush()
            self.socket.shutdown(socket.SHUT_WR)
        self._is_refused = True
        self._unsent = memoryview(b"")
        raise TransportRefused(words)

    def _flush(self) -> None:
        """Send what TLS has written, as far as it goes."""
        if self._is_refused:
            return
        if not self._unsent and self._leaving.pending:
            self._unsent = memoryview(self._leaving.read())
        if self._unsent:
            self._unsent = self._unsent[self._plain.send(self._unsent) :]
