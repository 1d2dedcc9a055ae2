"""A sender that does nothing but send: prepared bytes out, the answer in, a clock around it.

dcmtk's programs take longer to start than a store takes; this one measures the receiver alone.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

from benchmarks.children import HOST
from benchmarks.errors import BenchmarkError
from benchmarks.receive.receiver import Receiver

P_DATA_TF, RELEASE_RQ = 0x04, 0x05
COMMAND, DATASET, LAST = 1, 0, 2
_ACCEPTED, _RELEASED = 0x02, 0x06
_PIECE = 16_000  # below the maximum PDU of every receiver
_TIMEOUT_S = 30.0


def pdu(kind: int, body: bytes) -> bytes:
    """A PDU (PS3.8 9.3)."""
    return struct.pack(">BxL", kind, len(body)) + body


def value(data: bytes, control: int) -> bytes:
    """A P-DATA-TF PDU with one presentation data value of the first context."""
    return pdu(P_DATA_TF, struct.pack(">LBB", len(data) + 2, 1, control) + data)


def association_request(called_ae_title: str) -> bytes:
    """An A-ASSOCIATE-RQ with one context: CT images, Explicit VR Little Endian."""
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = "BENCHMARK", called_ae_title
    context = build_context(CTImageStorage, ExplicitVRLittleEndian)
    context.context_id = 1
    request.presentation_context_definition_list = [context]
    maximum, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    maximum.maximum_length_received = 16382
    implementation.implementation_class_uid = "2.25.1"
    request.user_information = [maximum, implementation]
    encoded = A_ASSOCIATE_RQ()
    encoded.from_primitive(request)
    return bytes(encoded.encode())


def store_request(sop_instance_uid: str) -> bytes:
    """The command of a C-STORE of a CT image (PS3.7 9.3.1.1)."""
    elements = b"".join(
        struct.pack("<HHL", 0, number, len(content)) + content
        for number, content in (
            (0x0002, _even(str(CTImageStorage))),
            (0x0100, struct.pack("<H", 0x0001)),
            (0x0110, struct.pack("<H", 1)),
            (0x0700, struct.pack("<H", 0)),
            (0x0800, struct.pack("<H", 0x0001)),
            (0x1000, _even(sop_instance_uid)),
        )
    )
    length = struct.pack("<HHLL", 0, 0x0000, 4, len(elements))
    return value(length + elements, COMMAND | LAST)


def _even(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)


class Dialogue:
    """One association with a receiver."""

    def __init__(self, receiver: Receiver) -> None:
        self._name = receiver.name
        self._socket = socket.create_connection((HOST, receiver.port), _TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def associate(self, request: bytes) -> None:
        """Ask for the association."""
        self._socket.sendall(request)
        self._expect(_ACCEPTED)

    def store(self, sop_instance_uid: str, dataset: bytes) -> float:
        """Send an object; seconds from the first byte to the answer."""
        parts = [store_request(sop_instance_uid)]
        for start in range(0, len(dataset), _PIECE):
            is_last = start + _PIECE >= len(dataset)
            parts.append(value(dataset[start : start + _PIECE], LAST if is_last else DATASET))
        message = b"".join(parts)
        started = perf_counter()
        self._socket.sendall(message)
        answer = self._expect(P_DATA_TF)
        seconds = perf_counter() - started
        # Status (0000,0900) is the last element that these receivers answer with, or near it.
        at = answer.find(struct.pack("<HHL", 0, 0x0900, 2))
        if at < 0 or answer[at + 8 : at + 10] != b"\0\0":
            raise BenchmarkError(f"{self._name} refused an object")
        return seconds

    def release(self) -> None:
        """End the association in good order."""
        self._socket.sendall(pdu(RELEASE_RQ, b"\0" * 4))
        self._expect(_RELEASED)

    def close(self) -> None:
        self._socket.close()

    def _expect(self, kind: int) -> bytes:
        found, length = struct.unpack(">BxL", self._exactly(6))
        body = self._exactly(length)
        if found != kind:
            raise BenchmarkError(f"{self._name} answered with PDU {found:02X}H, not {kind:02X}H")
        return body

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._socket.recv(size - len(data))
            if not more:
                raise BenchmarkError(f"{self._name} closed the connection")
            data += more
        return data


@contextmanager
def dialogue(receiver: Receiver) -> Iterator[Dialogue]:
    """An association for the length of a block."""
    request = association_request(receiver.ae_title)
    one = Dialogue(receiver)
    try:
        one.associate(request)
        yield one
        one.release()
    finally:
        one.close()
