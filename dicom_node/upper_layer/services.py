"""What the association hands a request to: services, and the operations that they begin.

A new DIMSE service is one more entry in `Services`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dicom_node.statuses import GeneralStatus
from dicom_node.upper_layer.command_set import CommandSet

SUCCESS = GeneralStatus.SUCCESS


@dataclass(frozen=True, slots=True)
class AcceptedContext:
    """A presentation context that both sides agreed on."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Request:
    """A DIMSE request: its command, the context it came in, and who sent it.

    `calling_ae_title` is fit for a log line; the command is as the peer sent it.
    """

    command: CommandSet
    context: AcceptedContext
    calling_ae_title: str


@dataclass(frozen=True, slots=True)
class Response:
    """The status a peer is told, with an Error Comment (cut to 64 characters) where it helps."""

    status: int
    comment: str = ""


Answer = Callable[[Response], None]


class Operation(Protocol):
    """A request being carried out. All but `answer` happens in the association's thread."""

    def write(self, piece: memoryview) -> None:
        """More of the dataset; the view is valid until `flush` has returned.

        Raises:
            Violation: it is more than anybody may send.
        """

    def flush(self) -> None:
        """The buffers behind the pieces written so far are about to be used anew."""

    def finish(self, answer: Answer) -> None:
        """The request is complete. `answer` is to be called once, now or later, in any thread."""

    def abandon(self) -> None:
        """The rest will never come."""


Service = Callable[[Request], Operation]
"""Begins an operation; never raises for what a request holds."""

Services = Mapping[int, Service]
"""Services by command field (PS3.7 E.1)."""


class ImmediateAnswer:
    """An operation that ignores its dataset and answers at once: C-ECHO, and what nobody knows."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def write(self, piece: memoryview) -> None:
        """Not wanted."""

    def flush(self) -> None:
        """Nothing is kept."""

    def finish(self, answer: Answer) -> None:
        """Answer."""
        answer(self._response)

    def abandon(self) -> None:
        """Nothing was begun."""


def answer_echo(request: Request) -> Operation:
    """C-ECHO (PS3.4 Annex A): the peer hears that we are there."""
    return ImmediateAnswer(Response(SUCCESS))


def answer_unknown(request: Request) -> Operation:
    """A request that no service answers (PS3.7 Annex C.5.17)."""
    words = "the node does not know this request"
    return ImmediateAnswer(Response(GeneralStatus.UNRECOGNISED_OPERATION, words))
