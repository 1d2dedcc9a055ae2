"""Reads and writes DIMSE command sets (PS3.7 6.3, E.1): group 0000, Implicit VR Little Endian.

Strictly bounded and without pydicom, which would take longer over it than over all the rest.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from dicom_node.upper_layer.violations import InvalidMessage

MAX_COMMAND_BYTES = 16384
NO_DATASET = 0x0101
RESPONSE = 0x8000
C_STORE, C_ECHO, C_CANCEL, N_ACTION = 0x0001, 0x0030, 0x0FFF, 0x0130

AFFECTED_SOP_CLASS_UID, REQUESTED_SOP_CLASS_UID = 0x0002, 0x0003
COMMAND_FIELD, MESSAGE_ID, RESPONDED_TO = 0x0100, 0x0110, 0x0120
DATA_SET_TYPE, STATUS, ERROR_COMMENT = 0x0800, 0x0900, 0x0902
AFFECTED_SOP_INSTANCE_UID, REQUESTED_SOP_INSTANCE_UID = 0x1000, 0x1001
ACTION_TYPE_ID = 0x1008
_GROUP_LENGTH = 0x0000
_MAX_COMMENT = 64
_MAX_UID = 64
_ELEMENT = struct.Struct("<HHL")
_NUMBER = struct.Struct("<H")


@dataclass(frozen=True, slots=True)
class CommandSet:
    """A command's elements: encoded values by element number."""

    values: Mapping[int, bytes]

    def number(self, element: int) -> int:
        """An unsigned short.

        Raises:
            InvalidMessage: it is missing or has another length.
        """
        value = self.values.get(element, b"")
        if len(value) != _NUMBER.size:
            raise InvalidMessage(f"a command whose element (0000,{element:04X}) is no number")
        return int(_NUMBER.unpack(value)[0])

    def text(self, element: int) -> str:
        """A UID or title without its padding, unchecked; empty where it is missing."""
        return self.values.get(element, b"").decode("latin-1").strip(" \0")

    @property
    def has_dataset(self) -> bool:
        """Whether a dataset follows (PS3.7 E.1: any value but 0101H)."""
        return self.number(DATA_SET_TYPE) != NO_DATASET


def parse_command(data: bytes) -> CommandSet:
    """The elements of a whole command set.

    Raises:
        InvalidMessage: it does not parse, or holds elements of another group.
    """
    values: dict[int, bytes] = {}
    position, size = 0, len(data)
    while position < size:
        if size - position < _ELEMENT.size:
            raise InvalidMessage("a command that is cut off")
        group, element, length = _ELEMENT.unpack_from(data, position)
        position += _ELEMENT.size
        if group != 0 or element in values:
            raise InvalidMessage("a command with elements that do not belong there")
        if length > size - position:
            raise InvalidMessage("a command that is cut off")
        values[element] = data[position : position + length]
        position += length
    return CommandSet(values)


def encode_response(request: CommandSet, status: int, comment: str = "") -> bytes:
    """The response to a request, without dataset: its UIDs again, status, perhaps Error Comment.

    Raises:
        InvalidMessage: the request names no command or no message.
    """
    class_uid = request.values.get(AFFECTED_SOP_CLASS_UID, b"")
    class_uid = class_uid or request.values.get(REQUESTED_SOP_CLASS_UID, b"")
    instance_uid = request.values.get(AFFECTED_SOP_INSTANCE_UID, b"")
    instance_uid = instance_uid or request.values.get(REQUESTED_SOP_INSTANCE_UID, b"")
    elements = [
        _encode(AFFECTED_SOP_CLASS_UID, class_uid[:_MAX_UID]) if class_uid else b"",
        _encode_number(COMMAND_FIELD, request.number(COMMAND_FIELD) | RESPONSE),
        _encode_number(RESPONDED_TO, request.number(MESSAGE_ID)),
        _encode_number(DATA_SET_TYPE, NO_DATASET),
        _encode_number(STATUS, status),
    ]
    if comment:
        text = comment[:_MAX_COMMENT].encode("ascii", "replace")
        elements.append(_encode(ERROR_COMMENT, text + b" " * (len(text) % 2)))
    if instance_uid:
        elements.append(_encode(AFFECTED_SOP_INSTANCE_UID, instance_uid[:_MAX_UID]))
    body = b"".join(elements)
    return _encode(_GROUP_LENGTH, struct.pack("<L", len(body))) + body


def _encode_number(element: int, number: int) -> bytes:
    return _encode(element, _NUMBER.pack(number))


def _encode(element: int, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return _ELEMENT.pack(0, element, len(value)) + value
