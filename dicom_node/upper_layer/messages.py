"""Puts DIMSE messages together from presentation data values (PS3.7 6.3, PS3.8 Annex E).

A command first, whole, within its bound; then, where it says so, a dataset in the same context,
passed on as it comes. Everything else is a violation.
"""

from typing import Protocol

from dicom_node.upper_layer.command_set import MAX_COMMAND_BYTES, CommandSet, parse_command
from dicom_node.upper_layer.pdus import IS_COMMAND, IS_LAST
from dicom_node.upper_layer.violations import InvalidMessage, InvalidParameter


class MessageHandler(Protocol):
    """What becomes of messages; each method may raise a `Violation`."""

    def begin(self, context_id: int, command: CommandSet) -> None:
        """A command has come whole."""

    def write(self, piece: memoryview) -> None:
        """A piece of its dataset."""

    def finish(self) -> None:
        """The message is complete."""


class MessageReader:
    """The reading position within the messages of one association."""

    def __init__(self, handler: MessageHandler) -> None:
        self._handler = handler
        self._command = bytearray()
        self._context_id: int | None = None
        self._awaits_dataset = False
        self._value_bytes = 0

    @property
    def is_inside(self) -> bool:
        """Whether a message has begun and is not complete."""
        return self._context_id is not None

    def on_piece(self, context_id: int, control: int, piece: memoryview, ends: bool) -> None:
        """Take a piece of a value; `ends`: the value's last.

        Raises:
            InvalidParameter, InvalidMessage: the value may not stand here.
        """
        is_command, is_last = bool(control & IS_COMMAND), bool(control & IS_LAST)
        if self._context_id is None:
            self._context_id = context_id
        elif context_id != self._context_id:
            raise InvalidParameter("a message that changes its presentation context midway")
        if is_command == self._awaits_dataset:
            wrong = "a command inside a dataset" if is_command else "a dataset without a command"
            raise InvalidMessage(wrong)
        self._value_bytes += len(piece)
        if is_command:
            self._gather(piece)
        else:
            self._handler.write(piece)
        if ends:
            self._end_value(is_command=is_command, is_last=is_last)

    def _gather(self, piece: memoryview) -> None:
        if len(self._command) + len(piece) > MAX_COMMAND_BYTES:
            raise InvalidMessage(f"a command of more than {MAX_COMMAND_BYTES} bytes")
        self._command += piece

    def _end_value(self, *, is_command: bool, is_last: bool) -> None:
        is_odd = self._value_bytes % 2
        self._value_bytes = 0
        # Whether a dataset of odd length makes sense is for its service to say.
        if is_odd and (is_command or not is_last):
            raise InvalidParameter("a presentation data value of odd length")
        if not is_last:
            return
        if is_command:
            self._end_command()
        else:
            self._end_message()

    def _end_command(self) -> None:
        assert self._context_id is not None
        command = parse_command(bytes(self._command))
        self._command.clear()
        has_dataset = command.has_dataset
        self._handler.begin(self._context_id, command)
        if has_dataset:
            self._awaits_dataset = True
        else:
            self._end_message()

    def _end_message(self) -> None:
        self._context_id = None
        self._awaits_dataset = False
        self._handler.finish()
