"""PDUs as a peer sends them, right and wrong."""

import struct
from collections.abc import Mapping

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

COMMAND, DATASET, LAST = 1, 0, 2
CONTEXT = 1
C_STORE_RQ, C_ECHO_RQ = 0x0001, 0x0030


def pdu(kind: int, body: bytes, length: int | None = None) -> bytes:
    """A PDU; `length` lies about the body's."""
    return struct.pack(">BxL", kind, len(body) if length is None else length) + body


def value(data: bytes, control: int, context_id: int = CONTEXT, length: int | None = None) -> bytes:
    """A presentation data value; `length` lies."""
    announced = len(data) + 2 if length is None else length
    return struct.pack(">LBB", announced, context_id, control) + data


def p_data(data: bytes, control: int, context_id: int = CONTEXT) -> bytes:
    """A P-DATA-TF PDU with one value."""
    return pdu(0x04, value(data, control, context_id))


def command(field: int, **changes: int | str | None) -> bytes:
    """A command set with the usual elements; a change to None leaves one out."""
    elements: dict[str, tuple[int, int | str]] = {
        "sop_class_uid": (0x0002, str(CTImageStorage)),
        "command_field": (0x0100, field),
        "message_id": (0x0110, 7),
        "priority": (0x0700, 0),
        "data_set_type": (0x0800, 0x0101 if field == C_ECHO_RQ else 0x0001),
        "sop_instance_uid": (0x1000, "1.2.3"),
    }
    given: Mapping[str, int | str | None] = {k: v for k, (_, v) in elements.items()} | changes
    body = b"".join(
        element(elements[name][0], content)
        for name, content in given.items()
        if content is not None
    )
    return element(0x0000, struct.pack("<L", len(body))) + body


def element(number: int, content: int | str | bytes) -> bytes:
    if isinstance(content, int):
        content = struct.pack("<H", content)
    if isinstance(content, str):
        content = content.encode() + b"\0" * (len(content) % 2)
    return struct.pack("<HHL", 0, number, len(content)) + content


def store_message(dataset: bytes, *, piece: int = 1 << 14) -> bytes:
    """A whole C-STORE request, its dataset in values of `piece` bytes, one PDU each."""
    pieces = [dataset[start : start + piece] for start in range(0, len(dataset), piece)] or [b""]
    parts = [p_data(command(C_STORE_RQ), COMMAND | LAST)]
    for number, data in enumerate(pieces, start=1):
        parts.append(p_data(data, DATASET | (LAST if number == len(pieces) else 0)))
    return b"".join(parts)


def association_request(
    *contexts: tuple[str, list[str]], called: str = "PRECUNEUS", calling: str = "PEER"
) -> bytes:
    """An A-ASSOCIATE-RQ; without contexts one for CT images."""
    proposed = contexts or ((str(CTImageStorage), [str(ExplicitVRLittleEndian)]),)
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = calling, called
    built = [build_context(abstract, syntaxes) for abstract, syntaxes in proposed]
    for number, context in enumerate(built):
        context.context_id = 2 * number + 1
    request.presentation_context_definition_list = built
    maximum = MaximumLengthNotification()
    maximum.maximum_length_received = 16382
    class_uid = ImplementationClassUIDNotification()
    class_uid.implementation_class_uid = "1.2.3.4"
    request.user_information = [maximum, class_uid]
    encoded = A_ASSOCIATE_RQ()
    encoded.from_primitive(request)
    return bytes(encoded.encode())


RELEASE = pdu(0x05, b"\0" * 4)
ABORT = pdu(0x07, b"\0\0\0\0")
