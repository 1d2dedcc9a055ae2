"""How long a peer may take: judged from times that it is told, so that tests need not wait."""

from dataclasses import dataclass

from dicom_node.upper_layer.association import Association, State


@dataclass(frozen=True)
class Deadlines:
    """Times in seconds; `minimum_rate` in bytes a second, over `pdu_s`, inside a message.

    `handshake_s`: from the connection to the end of the TLS handshake. `request_s`: from the
    connection to the whole association request. `idle_s`: between PDUs.
    `pdu_s`: from the first byte of a PDU to its last. `send_s`: until the peer reads on. `close_s`:
    until it closes the connection after the last word (the standard's ARTIM timer).
    """

    handshake_s: float = 15.0
    request_s: float = 30.0
    idle_s: float = 120.0
    pdu_s: float = 60.0
    send_s: float = 30.0
    close_s: float = 5.0
    minimum_rate: int = 1024


class Patience:
    """What one connection's deadlines are measured from."""

    def __init__(self, deadlines: Deadlines, now: float) -> None:
        self._deadlines = deadlines
        self._opened = self._quiet_since = now
        self._pdu_since: float | None = None
        self._pdus = 0
        self._window_since: float | None = None
        self._window_bytes = 0
        self._unsent_since: float | None = None
        self._closing_since: float | None = None

    def heard(self, size: int, association: Association, now: float) -> None:
        """The peer sent `size` bytes, or (0) begins to be waited for again."""
        self._quiet_since = now
        pdus = association.pdus
        if not pdus.is_inside:
            self._pdu_since = None
        elif self._pdu_since is None or pdus.whole != self._pdus or not size:
            self._pdu_since = now
        self._pdus = pdus.whole
        if not association.is_inside_message:
            self._window_since = None
        elif self._window_since is None or not size:
            self._window_since, self._window_bytes = now, 0
        self._window_bytes += size

    def sent(self, now: float, *, has_unsent: bool, progressed: bool) -> None:
        """Bytes were offered to the connection."""
        if not has_unsent:
            self._unsent_since = None
        elif self._unsent_since is None or progressed:
            self._unsent_since = now

    def closes(self, now: float) -> None:
        """The last word has been said."""
        if self._closing_since is None:
            self._closing_since = now

    def is_unread(self, now: float) -> bool:
        """Whether the peer has not read what we sent for too long."""
        return _is_past(self._unsent_since, self._deadlines.send_s, now)

    def is_over(self, now: float) -> bool:
        """Whether the peer had its time to close the connection."""
        return _is_past(self._closing_since, self._deadlines.close_s, now)

    def overdue(self, association: Association, now: float, *, is_open: bool = True) -> str | None:
        """What the peer was too slow at, None while all is well; `is_open`: no handshake is on."""
        limits = self._deadlines
        if not is_open and _is_past(self._opened, limits.handshake_s, now):
            return f"the TLS handshake was not complete within {limits.handshake_s:g} s"
        if association.state is State.AWAITING_REQUEST:
            if _is_past(self._opened, limits.request_s, now):
                return f"no association request within {limits.request_s:g} s"
            return None
        if association.state is not State.ESTABLISHED or association.is_answering:
            return None
        if _is_past(self._pdu_since, limits.pdu_s, now):
            return f"a PDU was not complete within {limits.pdu_s:g} s"
        if self._is_too_slow(now):
            return f"a message came at less than {limits.minimum_rate} bytes a second"
        if _is_past(self._quiet_since, limits.idle_s, now):
            return f"nothing came for {limits.idle_s:g} s"
        return None

    def _is_too_slow(self, now: float) -> bool:
        if self._window_since is None or now - self._window_since < self._deadlines.pdu_s:
            return False
        slow = self._window_bytes < self._deadlines.minimum_rate * (now - self._window_since)
        self._window_since, self._window_bytes = now, 0
        return slow


def _is_past(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and now - since > seconds
