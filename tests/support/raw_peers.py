"""Peers made of nothing but a socket: one that behaves, and what is needed to misbehave."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from pydicom.uid import CTImageStorage

from dicom_node.upper_layer.command_set import STATUS, parse_command
from dicom_node.upper_layer.rejections import Rejection
from dicom_node.upper_layer.violations import SERVICE_USER, VIOLATIONS
from tests.support.objects import ct_dataset
from tests.support.waiting import PATIENCE_S, eventually
from tests.unit.dicom_node.samples import encoded
from tests.unit.dicom_node.upper_layer.wire import (
    C_STORE_RQ,
    COMMAND,
    DATASET,
    LAST,
    RELEASE,
    association_request,
    command,
    p_data,
)

CT = str(CTImageStorage)
_PIECE = 1 << 16


def require_stated(kind: int, body: bytes) -> None:
    """A rejection or an abort stands in the tables that the conformance statement is made of."""
    if kind == 0x03:
        assert tuple(body[1:]) in {(why.result, why.source, why.reason) for why in Rejection}
    if kind == 0x07:
        known = {(why.source, why.reason) for why in VIOLATIONS}
        assert tuple(body[2:]) in known | {(SERVICE_USER, 0)}


class RawPeer:
    """A connection to a node of this machine; says what a test has it say."""

    def __init__(self, port: int, *, source: str = "127.0.0.1", small: bool = False) -> None:
        """`source` is the address it comes from, `small` has it take little unread."""
        self.socket = socket.socket()
        if small:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.socket.settimeout(PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", port))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def pdu(self) -> tuple[int, bytes] | None:
        """The next PDU's type and body, None at the end of the connection."""
        header = self._exactly(6)
        if header is None:
            return None
        kind, length = struct.unpack(">BxL", header)
        body = self._exactly(length)
        if body is not None:
            require_stated(kind, body)
        return None if body is None else (kind, body)

    def _exactly(self, size: int) -> bytes | None:
        data = b""
        while len(data) < size:
            try:
                more = self.socket.recv(size - len(data))
            except ConnectionError:
                return None
            if not more:
                return None
            data += more
        return data

    def associate(self, request: bytes | None = None) -> int:
        """Ask for an association; the answer's type."""
        self.send(request or association_request())
        answer = self.pdu()
        assert answer is not None
        return answer[0]

    def store(self, dataset: bytes, uid: str, sop_class_uid: str = CT) -> int:
        """A C-STORE and its answer's status; sent in one go, however slow this machine is."""
        asked = command(C_STORE_RQ, sop_instance_uid=uid, sop_class_uid=sop_class_uid)
        parts = [p_data(asked, COMMAND | LAST)]
        for start in range(0, len(dataset), _PIECE):
            is_last = start + _PIECE >= len(dataset)
            piece = dataset[start : start + _PIECE]
            parts.append(p_data(piece, DATASET | (LAST if is_last else 0)))
        self.send(b"".join(parts))
        answer = self.pdu()
        assert answer is not None, "no answer"
        assert answer[0] == 0x04, "no answer"
        return parse_command(answer[1][6:]).number(STATUS)

    def begin_store(self, uid: str, sop_class_uid: str = CT) -> None:
        """A C-STORE's command."""
        asked = command(C_STORE_RQ, sop_instance_uid=uid, sop_class_uid=sop_class_uid)
        self.send(p_data(asked, COMMAND | LAST))

    def release(self) -> None:
        self.send(RELEASE)
        assert self.pdu() == (0x06, b"\0" * 4)

    def is_let_go(self) -> bool:
        """Wait for the node to end the connection; True, or the test has failed."""
        while self.pdu() is not None:
            pass
        return True


class GoodSender:
    """A peer that sends small objects one after the other, on new associations now and then."""

    def __init__(self, port: int, connect: Callable[[int], RawPeer] = RawPeer) -> None:
        """`connect` gets the port, and may add TLS."""
        self._port, self._connect = port, connect
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.acknowledged = 0
        self.failures: list[str] = []

    @contextmanager
    def sending(self) -> Iterator[Self]:
        """Send meanwhile; at the end nothing may have failed."""
        self._thread.start()
        try:
            self.goes_on()
            yield self
            self.goes_on()
        finally:
            self._ended.set()
            self._thread.join()
        assert self.failures == []

    def goes_on(self, objects: int = 4) -> None:
        """Wait until some more objects are acknowledged."""
        enough = self.acknowledged + objects
        eventually(lambda: self.acknowledged >= enough or bool(self.failures), "the good goes on")

    def _send(self) -> None:
        number = 0
        while not self._ended.is_set():
            try:
                with self._connect(self._port) as peer:
                    assert peer.associate() == 0x02
                    for _ in range(3):
                        number += 1
                        uid = f"1.2.840.{number}"
                        status = peer.store(encoded(ct_dataset(sop_instance_uid=uid)), uid)
                        assert status == 0x0000, hex(status)
                        self.acknowledged += 1
                    peer.release()
            except (AssertionError, OSError) as error:
                self.failures.append(repr(error))
                return
