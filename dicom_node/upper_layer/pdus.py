"""The PDUs that are a few bytes long, and the wrapping of a message in P-DATA-TF (PS3.8 9.3)."""

import struct
from collections.abc import Iterator

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ = 0x01, 0x02, 0x03
P_DATA_TF, RELEASE_RQ, RELEASE_RP, ABORT = 0x04, 0x05, 0x06, 0x07
KINDS = frozenset(range(ASSOCIATE_RQ, ABORT + 1))
HEADER = struct.Struct(">BxL")
PDV_HEADER = struct.Struct(">LBB")

IS_COMMAND, IS_LAST = 0x01, 0x02
# Of a P-DATA-TF PDU's length: the header of a value, and the six bytes by which some peers exceed
# the announced maximum because they count the value alone.
PDV_OVERHEAD = 6
_SMALLEST_USABLE_MAXIMUM = 16
_UNLIMITED_PIECE = 1 << 16


def encode_abort(source: int, reason: int) -> bytes:
    """An A-ABORT PDU (PS3.8 9.3.8)."""
    return struct.pack(">BxLxxBB", ABORT, 4, source, reason)


def encode_reject(result: int, source: int, reason: int) -> bytes:
    """An A-ASSOCIATE-RJ PDU (PS3.8 9.3.4)."""
    return struct.pack(">BxLxBBB", ASSOCIATE_RJ, 4, result, source, reason)


def encode_release_reply() -> bytes:
    """An A-RELEASE-RP PDU (PS3.8 9.3.7)."""
    return struct.pack(">BxL4x", RELEASE_RP, 4)


def encode_command(context_id: int, command: bytes, peer_maximum: int) -> bytes:
    """A message without dataset in P-DATA-TF PDUs, none longer than the peer takes (0: any)."""
    return b"".join(_fragments(context_id, command, IS_COMMAND, peer_maximum))


def _fragments(context_id: int, data: bytes, kind: int, peer_maximum: int) -> Iterator[bytes]:
    room = _UNLIMITED_PIECE
    if peer_maximum:
        room = min(room, max(peer_maximum, _SMALLEST_USABLE_MAXIMUM) - PDV_OVERHEAD)
    room -= room % 2
    for start in range(0, max(len(data), 1), room):
        piece = data[start : start + room]
        control = kind | (IS_LAST if start + room >= len(data) else 0)
        size = len(piece) + 2
        yield HEADER.pack(P_DATA_TF, size + 4) + PDV_HEADER.pack(size, context_id, control) + piece
