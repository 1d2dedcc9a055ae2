"""Cuts a byte stream into PDUs and the values of P-DATA-TF PDUs (PS3.8 9.3), as the bytes come.

Values are handed on in pieces, as views of the caller's buffer: no dataset is ever put together
here. A length is judged before anything is kept for it.
"""

import enum
from typing import Protocol

from dicom_node.upper_layer.pdus import HEADER, KINDS, P_DATA_TF, PDV_HEADER
from dicom_node.upper_layer.violations import InvalidParameter, UnrecognisedPdu

_SPEAKS = {0x16: " (the peer seems to speak TLS, and this port takes plain DICOM)"} | dict.fromkeys(
    b"DGHOP", " (the peer seems to speak HTTP)"
)


class PduHandler(Protocol):
    """What becomes of PDUs; each method may raise a `Violation`."""

    @property
    def is_paused(self) -> bool:
        """Whether the rest of the bytes must wait."""

    def longest(self, kind: int) -> int:
        """The greatest length a PDU of that type may announce now; raises if none may come."""

    def on_pdu(self, kind: int, body: bytes) -> None:
        """A whole PDU, not P-DATA-TF, without its six bytes of header."""

    def on_piece(self, context_id: int, control: int, piece: memoryview, ends: bool) -> None:
        """A piece of one value; `ends`: the value's last. The view is valid during the call."""


class _Stage(enum.Enum):
    HEADER = enum.auto()
    BODY = enum.auto()
    PDV_HEADER = enum.auto()
    PIECE = enum.auto()


class PduReader:
    """The reading position within one peer's stream of bytes."""

    def __init__(self) -> None:
        self._stage = _Stage.HEADER
        self._begun = bytearray()
        self._kind = 0
        self._left = 0
        self._piece_left = 0
        self._context_id = self._control = 0
        self.whole = 0

    @property
    def is_inside(self) -> bool:
        """Whether a PDU has begun and is not complete; `whole` counts those that are."""
        return self._stage is not _Stage.HEADER or bool(self._begun)

    def feed(self, data: memoryview, handler: PduHandler) -> int:
        """Hand on what `data` holds; returns how many bytes were used before `handler` paused.

        Raises:
            Violation: by the reader or by `handler`; nothing may be fed afterwards.
        """
        position, size = 0, len(data)
        while position < size and not handler.is_paused:
            rest = data[position:]
            if self._stage is _Stage.PIECE:
                position += self._take_piece(rest, handler)
            elif self._stage is _Stage.PDV_HEADER:
                position += self._take_pdv_header(rest, handler)
            elif self._stage is _Stage.HEADER:
                position += self._take_header(rest, handler)
            else:
                position += self._take_body(rest, handler)
        return position

    def _take_header(self, data: memoryview, handler: PduHandler) -> int:
        if not self._begun and data[0] not in KINDS:
            hint = _SPEAKS.get(data[0], "")
            raise UnrecognisedPdu(f"a PDU of the unknown type 0x{data[0]:02X}{hint}")
        used, header = self._gather(data, HEADER.size)
        if header is None:
            return used
        self._kind, length = HEADER.unpack(header)
        longest = handler.longest(self._kind)
        if length > longest:
            raise InvalidParameter(f"a PDU of {length} bytes, where {longest} are the most")
        self._left = length
        if self._kind == P_DATA_TF:
            self._begin_value()
        else:
            self._stage = _Stage.BODY
            if length == 0:
                self._take_body(data[:0], handler)
        return used

    def _take_body(self, data: memoryview, handler: PduHandler) -> int:
        used, body = self._gather(data, self._left)
        if body is not None:
            self._end_pdu()
            handler.on_pdu(self._kind, bytes(body))
        return used

    def _begin_value(self) -> None:
        if self._left < PDV_HEADER.size:
            raise InvalidParameter("a P-DATA-TF PDU too short for a presentation data value")
        self._stage = _Stage.PDV_HEADER

    def _take_pdv_header(self, data: memoryview, handler: PduHandler) -> int:
        used, header = self._gather(data, PDV_HEADER.size)
        if header is None:
            return used
        length, self._context_id, self._control = PDV_HEADER.unpack(header)
        if length < 2 or length + 4 > self._left:
            raise InvalidParameter("a presentation data value that does not fit into its PDU")
        self._left -= length + 4
        self._piece_left = length - 2
        self._stage = _Stage.PIECE
        if self._piece_left == 0:
            self._take_piece(data[:0], handler)
        return used

    def _take_piece(self, data: memoryview, handler: PduHandler) -> int:
        piece = data[: self._piece_left]
        self._piece_left -= len(piece)
        ends = self._piece_left == 0
        if ends:
            if self._left:
                self._begin_value()
            else:
                self._end_pdu()
        handler.on_piece(self._context_id, self._control, piece, ends)
        return len(piece)

    def _end_pdu(self) -> None:
        self._stage = _Stage.HEADER
        self.whole += 1

    def _gather(self, data: memoryview, size: int) -> tuple[int, memoryview | None]:
        """`size` bytes once they are all there, and how many of `data` went into them."""
        if not self._begun and len(data) >= size:
            return size, data[:size]
        used = min(size - len(self._begun), len(data))
        self._begun += data[:used]
        if len(self._begun) < size:
            return used, None
        gathered, self._begun = self._begun, bytearray()
        return used, memoryview(gathered)
