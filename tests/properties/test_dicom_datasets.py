"""Whatever bytes a peer sends, reading them ends in a header fit for a database, or a refusal."""

import struct
import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_node.configure import configure_pydicom
from dicom_node.dataset import inflate
from dicom_node.errors import CannotUnderstand
from dicom_node.header import Header, read_header
from dicom_node.values import texts_of
from tests.support.objects import ct_dataset
from tests.unit.dicom_node.samples import encoded

SYNTAXES = st.sampled_from([ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
WHOLE = encoded(ct_dataset(NumberOfFrames=1, ImageComments="comment"))
NAMELESS = encoded(ct_dataset(PatientID=None))
CHARSETS = ["", "ISO_IR 100", "ISO_IR 192", "GB18030", "ISO 2022 IR 87", "ISO 2022 IR 149", "X"]


@pytest.fixture(autouse=True)
def _configured() -> None:
    configure_pydicom()


def read(dataset: bytes, syntax: str = ExplicitVRLittleEndian) -> Header | None:
    try:
        return read_header(BytesIO(dataset), transfer_syntax_uid=syntax)
    except CannotUnderstand:
        return None


def assert_fit_for_a_database(header: Header) -> None:
    texts = [header.modality, header.manufacturer, header.body_part_examined, header.patient_id]
    for text in [*texts, header.patient_sex, header.issuer_of_patient_id, *header.image_type]:
        if text is not None:
            assert text.encode("utf-8")
            assert text.isprintable()
    assert header.frames >= 1
    for number in (header.rows, header.columns, header.instance_number, header.frames):
        assert number is None or abs(number) < 2**31


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2000), SYNTAXES)
def test_random_bytes_never_do_harm(junk: bytes, syntax: str) -> None:
    header = read(junk, syntax)
    assert header is None


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(WHOLE) - 1))
def test_a_dataset_cut_off_anywhere_never_passes_as_an_image(length: int) -> None:
    header = read(WHOLE[:length])
    assert header is None or not header.has_pixel_data


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_a_dataset_with_bytes_changed_is_read_or_refused(data: st.DataObject) -> None:
    changed = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 8))):
        position = data.draw(st.integers(0, len(changed) - 8200))
        changed[position] = data.draw(st.integers(0, 255))
    header = read(bytes(changed))
    if header is not None:
        assert_fit_for_a_database(header)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CHARSETS), st.binary(max_size=80))
def test_any_bytes_in_any_character_set_are_a_text(charset: str, value: bytes) -> None:
    elements = b""
    for group, number, vr, content in (
        (0x0008, 0x0005, b"CS", charset.encode()),
        (0x0008, 0x0070, b"LO", value),
        (0x0010, 0x0020, b"LO", value),
    ):
        padded = content + b" " * (len(content) % 2)
        elements += struct.pack("<HH2sH", group, number, vr, len(padded)) + padded
    header = read(elements + NAMELESS)
    assert header is not None
    assert_fit_for_a_database(header)


DIGITS = st.from_regex(r"\A ?-?[0-9]{1,12} ?\Z").map(str.encode)
KEYWORDS = ["SOPInstanceUID", "PatientID", "ImageType", "StudyDate", "PatientAge", "InstanceNumber"]


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(KEYWORDS), st.binary(max_size=60) | DIGITS, st.booleans())
def test_plain_values_are_those_that_pydicom_reads(
    keyword: str, value: bytes, is_implicit: bool
) -> None:
    tag = Tag(keyword)
    vr = None if is_implicit else dictionary_VR(tag)
    ours, pydicoms = (
        Dataset({tag: RawDataElement(tag, vr, len(value), value, 0, is_implicit, True)})
        for _ in range(2)
    )
    pydicoms[tag]  # pydicom converts it now
    assert texts_of(ours, keyword) == texts_of(pydicoms, keyword)


@settings(deadline=None)
@given(st.binary(max_size=3000), st.integers(0, 3000))
def test_what_is_deflated_is_inflated_up_to_the_limit(content: bytes, limit: int) -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflater.compress(content) + deflater.flush()
    if len(content) <= limit:
        assert inflate(deflated, limit) == content
    else:
        with pytest.raises(CannotUnderstand, match="larger than"):
            inflate(deflated, limit)


@settings(deadline=None)
@given(st.binary(min_size=200, max_size=3000))
def test_what_is_deflated_and_cut_off_is_refused(content: bytes) -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflater.compress(content) + deflater.flush()
    with pytest.raises(CannotUnderstand):
        inflate(deflated[: len(deflated) // 2])
