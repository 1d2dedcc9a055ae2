"""File Meta Information: what is read past pydicom is what pydicom would have read."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pydicom
import pytest

from dicom_node.errors import CannotUnderstand
from dicom_node.meta import FileMeta, read_meta
from tests.unit.dicom_node.samples import image_dataset, noise, part10

SYNTAX = b"1.2.840.10008.1.2.1\0"
Change = Callable[[bytes], bytes]


def by_pydicom(file: bytes) -> FileMeta:
    """What pydicom says of a file that it can read."""
    meta = pydicom.dcmread(BytesIO(file), stop_before_pixels=True).file_meta
    offset = 144 + int(meta.FileMetaInformationGroupLength)
    source = meta.get("SourceApplicationEntityTitle")
    syntax, sop_class = str(meta.TransferSyntaxUID), str(meta.MediaStorageSOPClassUID)
    return FileMeta(syntax, sop_class, source, offset, has_prefix=True)


def test_our_own_is_read_as_pydicom_reads_it() -> None:
    file = BytesIO(part10(image_dataset(noise(4, 4))))
    meta = read_meta(file)
    assert meta == by_pydicom(file.getvalue())
    assert meta.source == "ELSEWHERE"
    assert file.tell() == meta.dataset_offset, "the rest is left unread"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda b: b.replace(b"SH\x0e\0", b"LO\x0e\0"), id="another VR"),
        pytest.param(lambda b: b.replace(b"UL\4\0", b"UN\4\0", 1), id="no group length"),
        pytest.param(lambda b: b.replace(b"\2\0\x16\0AE", b"\2\0\x17\0AE"), id="no source"),
        pytest.param(lambda b: b.replace(SYNTAX, b"1.2\\840.10008.1.2.1\0"), id="two values"),
        pytest.param(lambda b: b.replace(SYNTAX, b"1.2.840.10008.1.2.1 "), id="a blank"),
        pytest.param(lambda b: b[:144] + b[158:], id="a wrong group length"),
        pytest.param(lambda b: b[132:], id="no prefix"),
        pytest.param(lambda b: b[:200], id="cut off"),
    ],
)
def test_whatever_else_is_written_there_is_read_as_before(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = part10(image_dataset(noise(4, 4)))
    changed = change(plain)
    assert changed != plain
    found = outcome(changed)
    monkeypatch.setattr("dicom_node.meta._plain_meta", lambda _head: None)
    assert found == outcome(changed)


def outcome(file: bytes) -> tuple[FileMeta, int] | str:
    """What is read and where the reader stands, or why nothing is."""
    stream = BytesIO(file)
    try:
        return read_meta(stream), stream.tell()
    except CannotUnderstand as error:
        return str(error)


def test_single_bytes_that_are_wrong_are_read_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    plain = part10(image_dataset(noise(4, 4)))
    broken = []
    for place in range(128, 420):
        changed = bytearray(plain)
        changed[place] = rng.choice([0, 1, 2, 10, 32, 65, 92, 200, 255])
        broken.append(bytes(changed))
    found = list(map(outcome, broken))
    monkeypatch.setattr("dicom_node.meta._plain_meta", lambda _head: None)
    assert found == list(map(outcome, broken))
