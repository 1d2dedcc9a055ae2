"""Accepts connections, as many as there are, and hands each to the loop."""

import errno
import logging
import socket
from collections.abc import Callable

from dicom_node.network.loop import READ, Loop

_BACKLOG = 512
_SHORT_OF = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_log = logging.getLogger("precuneus.node")


class Listener:
    """A listening socket; `accepted` gets each connection with its peer's IP address."""

    def __init__(
        self, loop: Loop, host: str, port: int, accepted: Callable[[socket.socket, str], None]
    ) -> None:
        """Bind and listen, without accepting anybody yet.

        Raises:
            OSError: address or port cannot be bound.
        """
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])
        self._loop = loop
        self._accepted = accepted
        self._is_short = False

    def begin(self) -> None:
        """Accept; to be called by the loop's thread, as all below."""
        self._loop.watch(self._socket, READ, self)

    def end(self) -> None:
        """Accept nobody any more."""
        self._loop.forget(self._socket)
        self._socket.close()

    def on_ready(self, mask: int, now: float) -> None:
        """As `Watcher` says."""
        # One at a time: who has an association is not to wait for a crowd at the door.
        try:
            connection, address = self._socket.accept()
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno in _SHORT_OF:
                self._rest(error)
            return  # else the peer is gone already
        self._accepted(connection, str(address[0]))

    def on_tick(self, now: float) -> None:
        """Try again, after what was short may have been given back."""
        if self._is_short:
            self._is_short = False
            self._loop.watch(self._socket, READ, self)

    def on_defect(self) -> None:
        """As `Watcher` says: whoever was being accepted is gone, the next may come."""

    def _rest(self, error: OSError) -> None:
        fields = {"action": "node.short", "error": errno.errorcode[error.errno or 0]}
        _log.error("no more connections can be accepted just now", extra=fields)
        self._is_short = True
        self._loop.watch(self._socket, 0, self)
