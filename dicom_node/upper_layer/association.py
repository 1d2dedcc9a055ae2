"""One association on the acceptor's side, as PS3.8 9.2's state machine says, without a socket.

Bytes in by `receive`, bytes out by `take_outgoing`. An operation under way pauses the reading: a
peer gets one answer before its next request is looked at.
"""

import enum
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from dicom_node.upper_layer import pdus
from dicom_node.upper_layer.command_set import (
    C_CANCEL,
    COMMAND_FIELD,
    MESSAGE_ID,
    RESPONSE,
    CommandSet,
    encode_response,
)
from dicom_node.upper_layer.framing import PduReader
from dicom_node.upper_layer.messages import MessageReader
from dicom_node.upper_layer.negotiation import Acceptance, Admission, Negotiator, Refusal
from dicom_node.upper_layer.requests import MAX_REQUEST_BYTES, AssociationTitles
from dicom_node.upper_layer.services import (
    AcceptedContext,
    Answer,
    Operation,
    Request,
    Response,
    Services,
    answer_unknown,
)
from dicom_node.upper_layer.violations import (
    SERVICE_USER,
    InvalidMessage,
    InvalidParameter,
    UnexpectedPdu,
    Violation,
)

_CONTROL_BODY = 4


class State(enum.Enum):
    """Where an association stands; in brackets the standard's states."""

    AWAITING_REQUEST = enum.auto()  # Sta2
    ESTABLISHED = enum.auto()  # Sta6
    CLOSING = enum.auto()  # Sta13: all is said, the peer is to close the connection
    CLOSED = enum.auto()


class Ending(enum.Enum):
    """How an association ended."""

    RELEASED = "released"
    REJECTED = "rejected"
    ABORTED_BY_PEER = "aborted by the peer"
    ABORTED = "aborted"
    LOST = "lost"


@dataclass(frozen=True)
class Answering:
    """How an association answers: negotiation, whether the peer is admitted, and its services.

    `later` wraps what an operation calls, perhaps in another thread, so that the association's own
    thread does it.
    """

    negotiator: Negotiator
    admission: Admission
    services: Services
    max_pdu: int
    later: Callable[[Answer], Answer] = lambda answer: answer


class Association:
    """The protocol of one connection; to be used by one thread."""

    def __init__(self, answering: Answering) -> None:
        self.state = State.AWAITING_REQUEST
        self.titles: AssociationTitles | None = None
        self.acceptance: Acceptance | None = None
        self.ending: Ending | None = None
        self.end_reason = ""
        self.answered: Counter[int] = Counter()
        self.pdus = PduReader()
        self._answering = answering
        self._messages = MessageReader(self)
        self._operation: Operation | None = None
        self._is_answering = False
        self._request: Request | None = None
        self._outgoing: list[bytes] = []

    @property
    def is_paused(self) -> bool:
        """Whether nothing may be read: an answer is awaited, or there is nothing more to say."""
        return self._is_answering or self.state in (State.CLOSING, State.CLOSED)

    @property
    def is_answering(self) -> bool:
        """Whether the peer waits for us."""
        return self._is_answering

    @property
    def is_inside_message(self) -> bool:
        """Whether a message has begun and its rest is awaited."""
        return self._messages.is_inside

    def take_outgoing(self) -> bytes:
        """What is to be sent now."""
        taken, self._outgoing = b"".join(self._outgoing), []
        return taken

    def receive(self, data: memoryview) -> int:
        """Take bytes; returns how many were used: the rest is to be offered again after a pause.

        Never raises for what a peer does: a violation ends in an A-ABORT.
        """
        used = len(data)
        try:
            used = self.pdus.feed(data, self)
            if self._operation is not None:
                self._operation.flush()
        except Violation as violation:
            self.abort(str(violation), violation.source, violation.reason)
        return used

    def longest(self, kind: int) -> int:
        """As `PduHandler` says; here every PDU that may not come in this state is refused."""
        if kind == pdus.ABORT:
            return _CONTROL_BODY
        if self.state is State.AWAITING_REQUEST and kind == pdus.ASSOCIATE_RQ:
            return MAX_REQUEST_BYTES
        if self.state is State.ESTABLISHED and kind == pdus.P_DATA_TF:
            return self._answering.max_pdu + pdus.PDV_OVERHEAD
        if self.state is State.ESTABLISHED and kind == pdus.RELEASE_RQ:
            return _CONTROL_BODY
        raise UnexpectedPdu(f"a PDU of type 0x{kind:02X} that may not come now")

    def on_pdu(self, kind: int, body: bytes) -> None:
        """As `PduHandler` says."""
        if kind == pdus.ASSOCIATE_RQ:
            self._negotiate(body)
        elif len(body) != _CONTROL_BODY:
            raise InvalidParameter(f"a PDU of type 0x{kind:02X} with a wrong length")
        elif kind == pdus.RELEASE_RQ:
            self._outgoing.append(pdus.encode_release_reply())
            self._end(Ending.RELEASED, "")
        else:
            self._end(Ending.ABORTED_BY_PEER, f"A-ABORT of source {body[2]}, reason {body[3]}")
            self.state = State.CLOSED

    def on_piece(self, context_id: int, control: int, piece: memoryview, ends: bool) -> None:
        """As `PduHandler` says."""
        if self.acceptance is None or context_id not in self.acceptance.contexts:
            raise InvalidParameter("a presentation context that was not accepted")
        self._messages.on_piece(context_id, control, piece, ends)

    def _negotiate(self, body: bytes) -> None:
        self.titles = self._answering.negotiator.titles(body)
        answer = self._answering.negotiator.answer(body, self.titles, self._answering.admission)
        if isinstance(answer, Refusal):
            self._outgoing.append(answer.encode())
            self._end(Ending.REJECTED, answer.words)
            return
        self._outgoing.append(answer.reply)
        self.acceptance = answer
        self.state = State.ESTABLISHED

    def begin(self, context_id: int, command: CommandSet) -> None:
        """As `MessageHandler` says."""
        assert self.acceptance is not None
        assert self.titles is not None
        field = command.number(COMMAND_FIELD)
        if field == C_CANCEL:
            # Nothing here runs long enough to be cancelled, and no answer is due (PS3.7 9.3.2.3).
            self._operation = None
            return
        command.number(MESSAGE_ID)
        if field & RESPONSE:
            raise InvalidMessage("a response that nothing was asked for")
        context: AcceptedContext = self.acceptance.contexts[context_id]
        request = Request(command, context, self.titles.calling_ae_title)
        self._request = request
        self._operation = self._answering.services.get(field, answer_unknown)(request)

    def write(self, piece: memoryview) -> None:
        """As `MessageHandler` says."""
        if self._operation is not None:
            self._operation.write(piece)

    def finish(self) -> None:
        """As `MessageHandler` says; from here on until the answer nothing is read."""
        operation, self._operation = self._operation, None
        if operation is None:
            return
        operation.flush()
        self._is_answering = True
        operation.finish(self._answering.later(self._respond))

    def _respond(self, response: Response) -> None:
        request = self._request
        self._is_answering = False
        if self.state is not State.ESTABLISHED or request is None or self.acceptance is None:
            return
        self.answered[response.status] += 1
        command = encode_response(request.command, response.status, response.comment)
        context_id, most = request.context.context_id, self.acceptance.peer_maximum
        self._outgoing.append(pdus.encode_command(context_id, command, most))

    def abort(self, reason: str, source: int = SERVICE_USER, number: int = 0) -> None:
        """End it from our side; `reason` is for the log."""
        if self.state in (State.CLOSING, State.CLOSED):
            return
        if self.state is State.AWAITING_REQUEST:
            # Action AA-1 (PS3.8 9.2.3): before an association stands, it is the user's abort.
            source, number = SERVICE_USER, 0
        self._outgoing.append(pdus.encode_abort(source, number))
        self._end(Ending.ABORTED, reason)

    def break_off(self, reason: str) -> None:
        """End it from our side without a PDU, which the peer could not read."""
        if self.state not in (State.CLOSING, State.CLOSED):
            self._end(Ending.ABORTED, reason)

    def lose(self, reason: str) -> None:
        """The connection is gone."""
        if self.state is not State.CLOSING:
            self._end(Ending.LOST, reason)
        self.state = State.CLOSED

    def _end(self, ending: Ending, reason: str) -> None:
        if self.ending is None:
            self.ending, self.end_reason = ending, reason
        self.state = State.CLOSING
        if self._operation is not None:
            operation, self._operation = self._operation, None
            operation.abandon()
