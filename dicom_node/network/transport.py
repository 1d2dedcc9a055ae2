"""The byte stream below an association: plain TCP now, TLS with the same face.

A handshake belongs into `receive`, which says None until it is done: so it runs in the loop, under
the deadline of the association request, and never holds up the accepting of others.
"""

import socket
from typing import Protocol


class Transport(Protocol):
    """A connected, non-blocking byte stream; OSError means that it is broken."""

    @property
    def socket(self) -> socket.socket:
        """What the loop watches."""

    def receive(self, buffer: memoryview) -> int | None:
        """Fill `buffer` with what is there: the number of bytes, 0 at the end, None: not yet."""

    def send(self, data: memoryview) -> int:
        """How many bytes were taken, perhaps none."""

    def close(self) -> None:
        """End it, now."""


class PlainTransport:
    """TCP as it is."""

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
