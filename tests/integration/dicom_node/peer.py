"""A peer that says exactly what a test wants, on an association that pynetdicom negotiates."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import build_context

from tests.unit.dicom_node.samples import EXPLICIT


@contextmanager
def associated(
    port: int, *contexts: tuple[str, Sequence[str]], called: str = "PRECUNEUS"
) -> Iterator[Association]:
    """An association, established or not, that is released at the end."""
    entity = AE(ae_title="PEER")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 30
    proposed = [build_context(abstract, list(syntaxes)) for abstract, syntaxes in contexts]
    association = entity.associate("127.0.0.1", port, contexts=proposed, ae_title=called)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def store(
    association: Association, dataset: bytes, sop_class_uid: str, sop_instance_uid: str
) -> tuple[int, str]:
    """Send one C-STORE with these very bytes and UIDs; the answer's status and error comment."""
    context = association.accepted_contexts[0].context_id
    command = _command(sop_class_uid, sop_instance_uid)
    association._reactor_checkpoint.clear()
    while not association._is_paused:
        pass
    try:
        for control, body in ((0x03, command), (0x02, dataset)):
            value = struct.pack(">LBB", len(body) + 2, context, control) + body
            send_raw(association, b"\x04\0" + struct.pack(">L", len(value)) + value)
        _, response = association.dimse.get_msg(block=True)
    finally:
        association._reactor_checkpoint.set()
    assert isinstance(response, C_STORE), "the node did not answer"
    assert response.Status is not None
    return int(response.Status), str(response.ErrorComment or "")


def send_raw(association: Association, data: bytes) -> None:
    """Put bytes on the wire, past pynetdicom."""
    assert association.dul.socket is not None
    association.dul.socket.send(data)


def push(
    port: int, dataset: bytes, sop_class_uid: str, sop_instance_uid: str, syntax: str = EXPLICIT
) -> tuple[int, str]:
    """`store` on an association of its own."""
    with associated(port, (sop_class_uid, [syntax])) as association:
        return store(association, dataset, sop_class_uid, sop_instance_uid)


def _command(sop_class_uid: str, sop_instance_uid: str) -> bytes:
    elements = b"".join(
        (
            _element(0x0002, _uid(sop_class_uid)),
            _element(0x0100, struct.pack("<H", 0x0001)),
            _element(0x0110, struct.pack("<H", 1)),
            _element(0x0700, struct.pack("<H", 0)),
            _element(0x0800, struct.pack("<H", 1)),
            _element(0x1000, _uid(sop_instance_uid)),
        )
    )
    return _element(0x0000, struct.pack("<L", len(elements))) + elements


def _element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHL", 0x0000, number, len(value)) + value


def _uid(text: str) -> bytes:
    return text.encode() + b"\0" * (len(text) % 2)
