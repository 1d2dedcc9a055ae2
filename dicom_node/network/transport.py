"""The byte stream below an association: plain TCP, or TLS with the same face.

A handshake belongs into `receive`, which says None until it is done: so it runs in the loop, under
a deadline, and never holds up the accepting of others.
"""

import socket
from dataclasses import dataclass
from typing import Protocol

from dicom_node.tls.identity import PeerCertificate


@dataclass(frozen=True)
class Security:
    """What a handshake agreed on; `certificate` is None for a peer that showed none."""

    version: str
    cipher: str
    certificate: PeerCertificate | None


class TransportRefused(Exception):
    """The peer broke the rules below DICOM, and no PDU can be said; the text is for the log."""


class Transport(Protocol):
    """A connected, non-blocking byte stream; OSError means that it is broken."""

    @property
    def socket(self) -> socket.socket:
        """What the loop watches."""

    @property
    def is_open(self) -> bool:
        """Whether PDUs can pass: a handshake, if there is one, is done."""

    @property
    def security(self) -> Security | None:
        """What protects the stream; None for plain TCP, and until a handshake is done."""

    @property
    def has_unsent(self) -> bool:
        """Whether something it took is not sent yet: `send` with anything, or nothing, goes on."""

    @property
    def has_more(self) -> bool:
        """Whether `receive` has an answer that the socket no longer tells of."""

    def receive(self, buffer: memoryview) -> int | None:
        """Fill `buffer` with what is there: the number of bytes, 0 at the end, None: not yet.

        Raises:
            TransportRefused: the peer may not go on. What it still sends is then read and thrown
                away, so that it reads our last word.
        """

    def send(self, data: memoryview) -> int:
        """How many bytes were taken, perhaps none."""

    def close(self) -> None:
        """End it, now."""


class PlainTransport:
    """TCP as it is."""

    is_open = True
    security = None
    has_unsent = False
    has_more = False

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def receive(self, buffer: memoryview) -> int | None:
        """As `Transport` says."""
        try:
            return self.socket.recv_into(buffer)
        except (BlockingIOError, InterruptedError):
            return None

    def send(self, data: memoryview) -> int:
        """As `Transport` says; what comes next is acknowledged at once.

        Senders that leave Nagle's algorithm on (dcmtk and Orthanc as distributions build them) hold
        a small segment back until the one before is acknowledged: 17 instances/s, where now it is
        90. The kernel delays again once we have sent something, so the wish is renewed.
        """
        try:
            sent = self.socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        if hasattr(socket, "TCP_QUICKACK"):
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return sent

    def close(self) -> None:
        """As `Transport` says."""
        self.socket.close()
