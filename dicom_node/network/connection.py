"""One peer's connection: moves bytes between its socket and its association, and keeps time.

It decides nothing about DICOM.
"""

import time
from collections.abc import Callable

from dicom_node.network.deadlines import Deadlines, Patience
from dicom_node.network.loop import READ, WRITE, Loop
from dicom_node.network.transport import Security, Transport, TransportRefused
from dicom_node.upper_layer.association import Association, Ending, State
from dicom_node.upper_layer.services import Answer, Response

# What a peer may still send after our last word before we stop listening to it.
_LINGER_BYTES = 1 << 20

Notice = Callable[["Connection"], None]


class Connection:
    """A peer from its connecting to its end; `address` is its IP address.

    `on_change` is told of each new state of the association, CLOSED the last of them.
    """

    def __init__(
        self, loop: Loop, transport: Transport, address: str, deadlines: Deadlines
    ) -> None:
        self.address = address
        self.opened = time.monotonic()
        self.received_bytes = 0
        self.association: Association
        self.on_change: Notice
        self._loop = loop
        self._transport = transport
        self._patience = Patience(deadlines, self.opened)
        self._state = State.AWAITING_REQUEST
        self._waiting = b""
        self._unsent = memoryview(b"")
        self._lingered = 0

    def begin(self, association: Association, on_change: Notice) -> None:
        """Start reading."""
        self.association, self.on_change = association, on_change
        self._loop.watch(self._transport.socket, READ, self)

    @property
    def security(self) -> Security | None:
        """What protects it; None for plain TCP, and until the handshake is done."""
        return self._transport.security

    def later(self, answer: Answer) -> Answer:
        """Have an operation's answer given by the loop's thread."""

        def post(response: Response) -> None:
            self._loop.post(lambda: self._answered(answer, response))

        return post

    def on_ready(self, mask: int, now: float) -> None:
        """As `Watcher` says."""
        if mask & WRITE and self._has_unsent:
            self._proceed(now)
        if mask & READ and self._state is not State.CLOSED:
            self._receive(now)

    def on_tick(self, now: float) -> None:
        """Judge the peer's speed."""
        if self._patience.is_unread(now):
            self.association.abort("our answers were not read")
            self.association.lose("our answers were not read")
        elif self._state is State.CLOSING and self._patience.is_over(now):
            self.association.lose("")
        else:
            overdue = self._patience.overdue(self.association, now, is_open=self._transport.is_open)
            if overdue is None:
                return
            if self._state is State.AWAITING_REQUEST:
                self.association.lose(overdue)  # action AA-2 (PS3.8 9.2.3): no word of ours
            self.association.abort(overdue)
        self._proceed(now)

    def on_defect(self) -> None:
        """As `Watcher` says."""
        self.drop("an error in the node; its log has the place")

    def abort(self, reason: str) -> None:
        """End it from our side."""
        self.association.abort(reason)
        self._proceed(time.monotonic())

    def drop(self, reason: str) -> None:
        """End it without a word."""
        self.association.lose(reason)
        self._proceed(time.monotonic())

    def _receive(self, now: float) -> None:
        if self.association.is_answering or (self._has_unsent and self._state is State.ESTABLISHED):
            # The rest stays where it is until our answer is out.
            self._watch()
            return
        try:
            size = self._transport.receive(self._loop.buffer)
        except TransportRefused as refusal:
            self.association.break_off(str(refusal))
        except OSError:
            self.association.lose("the connection broke")
        else:
            if size is None:
                if self._transport.has_unsent:
                    self._proceed(now)
                return
            self.received_bytes += size
            if size == 0:
                self.association.lose("the peer closed the connection without a release")
            elif self._state is State.CLOSING:
                self._linger(size)
            else:
                self._offer(self._loop.buffer[:size], now)
        self._proceed(now)

    def _linger(self, size: int) -> None:
        """Let the peer read our last word, unless it goes on talking."""
        self._lingered += size
        if self._lingered > _LINGER_BYTES:
            self.association.lose("")

    def _offer(self, data: memoryview, now: float) -> None:
        used = self.association.receive(data)
        self._waiting = bytes(data[used:]) if self.association.is_answering else b""
        self._patience.heard(len(data), self.association, now)

    def _answered(self, answer: Answer, response: Response) -> None:
        answer(response)
        now = time.monotonic()
        self._patience.heard(0, self.association, now)
        self._proceed(now)
        if self._waiting and self._state is State.ESTABLISHED:
            waiting, self._waiting = self._waiting, b""
            self._offer(memoryview(waiting), now)
            self._proceed(now)

    @property
    def _has_unsent(self) -> bool:
        return bool(self._unsent) or self._transport.has_unsent

    def _proceed(self, now: float) -> None:
        """Send what there is to send, and follow the association into its new state."""
        outgoing = self.association.take_outgoing()
        if outgoing:
            self._unsent = memoryview(bytes(self._unsent) + outgoing)
        # Told before it is sent, so that the peer finds the record of what it hears; not so for a
        # good end, which is no news to it.
        if self.association.ending is not Ending.RELEASED:
            self._follow()
        if self._has_unsent and self._state is not State.CLOSED:
            self._send(now)
        self._follow()
        if self._state is State.CLOSING:
            self._patience.closes(now)
        if self._state is State.CLOSED:
            self._loop.forget(self._transport.socket)
            self._transport.close()
        elif self._has_unsent or not self.association.is_answering:
            # A peer seldom sends while it waits for us, so its socket stays watched meanwhile.
            self._watch()

    def _follow(self) -> None:
        if self.association.state is not self._state:
            self._state = self.association.state
            self.on_change(self)

    def _send(self, now: float) -> None:
        try:
            sent = self._transport.send(self._unsent)
        except OSError:
            self.association.lose("the connection broke")
            self._unsent = memoryview(b"")
            return
        self._unsent = self._unsent[sent:]
        self._patience.sent(now, has_unsent=self._has_unsent, progressed=sent > 0)

    def _watch(self) -> None:
        """Reading waits for our answer to be out; else a peer could fill our memory with them."""
        wants_read = not self._has_unsent or self._state is State.CLOSING
        mask = READ if wants_read and not self.association.is_answering else 0
        self._loop.watch(self._transport.socket, mask | (WRITE if self._has_unsent else 0), self)
        if mask & READ and self._transport.has_more:
            self._loop.post(self._receive_more)

    def _receive_more(self) -> None:
        """What the socket will not tell of."""
        if self._state is not State.CLOSED and self._transport.has_more:
            self._receive(time.monotonic())
