"""Event files hold what the run measured, in the format that TensorBoard reads."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.training.config import EpochMetrics
from model.training.tensorboard import write_events


def crc32c(data: bytes) -> int:
    """CRC-32C bit by bit, from the highest bit down: not the way the writer goes."""
    register = 0xFFFFFFFF
    for byte in data:
        for bit in range(8):
            out = (register >> 31 & 1) ^ (byte >> bit & 1)
            register = register << 1 & 0xFFFFFFFF ^ (0x1EDC6F41 if out else 0)
    return int(f"{register:032b}"[::-1], 2) ^ 0xFFFFFFFF


def unmask(word: bytes) -> int:
    turned = (struct.unpack("<I", word)[0] - 0xA282EAD8) & 0xFFFFFFFF
    return (turned >> 17 | turned << 15) & 0xFFFFFFFF


def records(content: bytes) -> Iterator[bytes]:
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        assert unmask(content[8:12]) == crc32c(content[:8])
        payload, checksum = content[12 : 12 + length], content[12 + length : 16 + length]
        assert unmask(checksum) == crc32c(payload)
        yield payload
        content = content[16 + length :]


def varint(data: bytes) -> tuple[int, bytes]:
    number = shift = 0
    for position, byte in enumerate(data):
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, data[position + 1 :]
        shift += 7
    raise AssertionError("a number has no end")


def message(data: bytes) -> dict[int, bytes | int]:
    """Fields by number, as protocol buffers encode them."""
    found: dict[int, bytes | int] = {}
    while data:
        key, data = varint(data)
        if key & 7 == 0:
            found[key >> 3], data = varint(data)
        else:
            length = {1: 8, 5: 4}.get(key & 7)
            if length is None:
                length, data = varint(data)
            found[key >> 3], data = data[:length], data[length:]
    return found


def inner(value: bytes | int) -> dict[int, bytes | int]:
    assert isinstance(value, bytes)
    return message(value)


def scalars(path: Path) -> dict[tuple[str, int], tuple[float, float]]:
    """(tag, step) -> (time, value)."""
    first, *events = [message(record) for record in records(path.read_bytes())]
    assert first[3] == b"brain.Event:2"
    found = {}
    for event in events:
        value = inner(inner(event[5])[1])
        tag, number = value[1], value[2]
        assert isinstance(tag, bytes)
        assert isinstance(number, bytes)
        step, time = event[2], event[1]
        assert isinstance(step, int)
        assert isinstance(time, bytes)
        found[tag.decode(), step] = struct.unpack("<d", time)[0], struct.unpack("<f", number)[0]
    return found


def metrics(epoch: int, found: float | None = None) -> EpochMetrics:
    return EpochMetrics(epoch, 1.5, 1.0, 0.5, 0.25, 0.0, 0.75, 1e-3, 10.0, found, found)


def test_the_checksum_is_castagnoli_s() -> None:
    assert crc32c(b"123456789") == 0xE3069283


def test_each_figure_is_a_point_of_its_epoch(tmp_path: Path) -> None:
    path = tmp_path / "events"
    write_events(path, [metrics(1), metrics(200, found=0.875)])
    found = scalars(path)

    assert found["training/loss", 1] == (10.0, 1.5)
    assert found["training/learning_rate", 200] == (20.0, pytest.approx(1e-3))
    assert found["validation/map", 200] == (20.0, 0.875)
    assert ("validation/map", 1) not in found


def test_a_longer_history_appends(tmp_path: Path) -> None:
    path = tmp_path / "events"
    write_events(path, [metrics(1)])
    before = path.read_bytes()
    with path.open("rb") as open_since:
        write_events(path, [metrics(1), metrics(2)])
        assert open_since.read() == path.read_bytes()

    assert path.read_bytes().startswith(before)
    assert ("training/loss", 2) in scalars(path)


def test_another_history_replaces(tmp_path: Path) -> None:
    path = tmp_path / "events"
    write_events(path, [metrics(1), metrics(2), metrics(3)])
    write_events(path, [metrics(1, found=0.5)])

    assert {step for _, step in scalars(path)} == {1}
