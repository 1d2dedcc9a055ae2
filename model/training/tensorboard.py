"""Writes a run's metrics as a TensorBoard event file, without TensorBoard itself.

The format is public and small: records framed as in TFRecord, each an `Event` message of one
scalar; writing it here spares an installation of ten packages. Scalars only.
"""

import struct
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from model.training.config import EpochMetrics

EVENT_FILE = "events.out.tfevents.precuneus"

_CASTAGNOLI = 0x82F63B78  # reversed polynomial of CRC-32C
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of protocol buffers


def write_events(path: Path, history: Sequence[EpochMetrics]) -> None:
    """One point an epoch for each figure, under its name, `validation_map` as `validation/map`.

    Times count from the start of the run, so that the same history gives the same bytes and a
    longer one only appends: a TensorBoard that has the file open goes on reading it.
    """
    records = [_record(_event(0.0, 0, _field(3, _BYTES, b"brain.Event:2")))]
    seconds = 0.0
    for metrics in history:
        seconds += metrics.seconds
        records += [
            _record(_event(seconds, metrics.epoch, _scalar(tag, value)))
            for tag, value in _scalars(metrics)
        ]
    content = b"".join(records)
    known = path.read_bytes() if path.exists() else b""
    if known and content.startswith(known):
        with path.open("ab") as file:
            file.write(content[len(known) :])
    else:
        path.write_bytes(content)


def _scalars(metrics: EpochMetrics) -> list[tuple[str, float]]:
    """Tags and values of an epoch, without what was not measured."""
    found = []
    for field in fields(metrics):
        value = getattr(metrics, field.name)
        if field.name != "epoch" and value is not None:
            kind, _, rest = field.name.partition("_")
            tag = f"validation/{rest}" if kind == "validation" else f"training/{field.name}"
            found.append((tag, float(value)))
    return found


def _event(seconds: float, step: int, what: bytes) -> bytes:
    """An `Event` message: wall_time = 1, step = 2, then what happened."""
    return (
        _field(1, _FIXED64, struct.pack("<d", seconds)) + _field(2, _VARINT, _varint(step)) + what
    )


def _scalar(tag: str, value: float) -> bytes:
    """The event's field `summary` = 5 with one value: tag = 1, simple_value = 2."""
    named = _field(1, _BYTES, tag.encode()) + _field(2, _FIXED32, struct.pack("<f", value))
    return _field(5, _BYTES, _field(1, _BYTES, named))


def _field(number: int, wire_type: int, payload: bytes) -> bytes:
    """One field of a protocol buffers message."""
    length = _varint(len(payload)) if wire_type == _BYTES else b""
    return _varint(number << 3 | wire_type) + length + payload


def _varint(number: int) -> bytes:
    """A non-negative number, seven bits a byte, lowest first."""
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _record(payload: bytes) -> bytes:
    """TFRecord framing: length and payload, each followed by its masked checksum."""
    length = struct.pack("<Q", len(payload))
    return length + _masked_crc(length) + payload + _masked_crc(payload)


def _masked_crc(data: bytes) -> bytes:
    """CRC-32C, turned and shifted as TFRecord wants it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_CASTAGNOLI if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return struct.pack("<I", masked)
