import logging
import struct
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from dicom_node.errors import CannotUnderstand
from dicom_node.header import read_header
from tests.support.objects import ct_dataset
from tests.unit.dicom_node.samples import (
    compressed,
    encoded,
    header_of_bytes,
    image_dataset,
    part10,
)

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    """One Explicit VR Little Endian element with a 16-bit length, whatever its value."""
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_facts_of_an_object_are_read_in_every_native_syntax(syntax: str) -> None:
    dataset = ct_dataset(
        patient_id="P-7",
        IssuerOfPatientID="HOSPITAL",
        BodyPartExamined="HEAD",
        Manufacturer="Maker",
        PatientSex="F",
        PatientAge="043Y",
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
        InstanceNumber=12,
        NumberOfFrames=1,
    )
    header = header_of_bytes(encoded(dataset, syntax), syntax)
    assert header.sop_class_uid == dataset.SOPClassUID
    assert header.sop_instance_uid == dataset.SOPInstanceUID
    assert header.study_instance_uid == dataset.StudyInstanceUID
    assert header.series_instance_uid == dataset.SeriesInstanceUID
    assert header.transfer_syntax_uid == syntax
    assert (header.patient_id, header.issuer_of_patient_id) == ("P-7", "HOSPITAL")
    assert (header.modality, header.body_part_examined) == ("CT", "HEAD")
    assert (header.manufacturer, header.patient_sex) == ("Maker", "F")
    assert header.study_date == date(2024, 1, 31)
    assert header.patient_age_years == 43
    assert header.image_type == ("ORIGINAL", "PRIMARY", "AXIAL")
    assert header.instance_number == 12
    assert (header.rows, header.columns, header.frames) == (64, 64, 1)
    assert header.photometric_interpretation == "MONOCHROME2"
    assert header.has_pixel_data
    assert header.flags == ()


def test_a_file_says_its_transfer_syntax_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(part10(ct_dataset(), ExplicitVRBigEndian))
    assert read_header(path).transfer_syntax_uid == ExplicitVRBigEndian
    assert read_header(str(path)) == read_header(path)


def test_a_bare_dataset_needs_its_transfer_syntax() -> None:
    with pytest.raises(TypeError, match="transfer_syntax_uid"):
        read_header(BytesIO(encoded(ct_dataset())))


def test_a_deflated_dataset_is_read_like_any_other(tmp_path: Path) -> None:
    dataset = ct_dataset()
    path = tmp_path / "a.dcm"
    path.write_bytes(part10(dataset, DeflatedExplicitVRLittleEndian))
    header = read_header(path)
    assert header.sop_instance_uid == dataset.SOPInstanceUID
    assert header.transfer_syntax_uid == DeflatedExplicitVRLittleEndian


def test_a_deflated_dataset_that_grows_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    dataset = image_dataset(np.zeros((2048, 1024), np.int16))
    path = tmp_path / "bomb.dcm"
    path.write_bytes(part10(dataset, DeflatedExplicitVRLittleEndian))
    assert path.stat().st_size < 1 << 16
    with pytest.raises(CannotUnderstand, match="larger than 1 MiB"):
        read_header(path, max_inflated_bytes=1 << 20)


def test_an_object_without_pixels_has_none() -> None:
    header = header_of_bytes(encoded(ct_dataset(PixelData=None, Rows=None, Columns=None)))
    assert not header.has_pixel_data
    assert (header.rows, header.columns, header.frames) == (None, None, 1)


@pytest.mark.parametrize(
    "keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]
)
def test_what_identifies_an_object_must_be_there(keyword: str) -> None:
    name = {"SOPClassUID": "SOP Class UID", "SOPInstanceUID": "SOP Instance UID"}.get(
        keyword, keyword.replace("InstanceUID", " Instance UID")
    )
    with pytest.raises(CannotUnderstand, match=f"{name} is missing"):
        header_of_bytes(encoded(ct_dataset(**dict[str, Any]({keyword: None}))))


@pytest.mark.parametrize("uid", ["1.2.a", "1..2", ".1", "1.2.", "../../etc", "1." * 32 + "1"])
def test_what_is_no_uid_is_refused_without_being_quoted(uid: str) -> None:
    with pytest.raises(CannotUnderstand, match="is not a UID") as caught:
        header_of_bytes(encoded(ct_dataset(sop_instance_uid=uid)))
    assert uid not in str(caught.value)


def test_leading_zeros_in_a_component_are_accepted_and_flagged() -> None:
    header = header_of_bytes(encoded(ct_dataset(sop_instance_uid="1.2.008.5")))
    assert header.sop_instance_uid == "1.2.008.5"
    assert header.flags == ("leading zeros in SOP Instance UID",)


@pytest.mark.parametrize("cut", [1, 100, 64 * 64 * 2])
def test_native_pixels_shorter_than_declared_are_refused(cut: int) -> None:
    with pytest.raises(CannotUnderstand, match="pixel data are shorter than declared"):
        header_of_bytes(encoded(ct_dataset())[:-cut])


def test_compressed_pixels_shorter_than_declared_are_refused() -> None:
    dataset = compressed(ct_dataset(), RLELossless)
    whole = encoded(dataset, RLELossless)
    assert header_of_bytes(whole, RLELossless).has_pixel_data
    with pytest.raises(CannotUnderstand, match="pixel data are shorter than declared"):
        header_of_bytes(whole[: -len(dataset.PixelData) // 2], RLELossless)


def test_a_dataset_cut_off_before_its_pixels_is_refused() -> None:
    dataset = ct_dataset(ImageComments="x" * 4000, PixelData=None)
    with pytest.raises(CannotUnderstand, match=r"element \(0020,4000\) is shorter"):
        header_of_bytes(encoded(dataset)[:-2000])


def test_a_dataset_cut_off_inside_an_elements_header_is_refused() -> None:
    whole = encoded(ct_dataset(PixelData=None))
    with pytest.raises(CannotUnderstand, match="inside an element's header"):
        header_of_bytes(whole + b"\x30\x00\x01\x00UI")


def test_zeros_after_the_last_element_are_padding() -> None:
    whole = encoded(ct_dataset(PixelData=None))
    assert header_of_bytes(whole + b"\0" * 100) == header_of_bytes(whole)


@pytest.mark.parametrize("junk", [b"", b"\0", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 8])
def test_bytes_that_are_no_dataset_are_refused(junk: bytes) -> None:
    with pytest.raises(CannotUnderstand):
        header_of_bytes(junk)


def test_broken_optional_values_cost_only_themselves() -> None:
    dataset = ct_dataset(StudyDate=None, Rows=None)
    whole = encoded(dataset)
    head, pixels = whole.split(b"\xe0\x7f\x10\x00OW")
    broken = (
        element(0x0008, 0x0020, b"DA", b"tomorrow"),
        element(0x0010, 0x1010, b"AS", b"old?"),
        element(0x0020, 0x0013, b"IS", b"99999999999999999999"),
        element(0x0028, 0x0008, b"IS", b"1A"),
        element(0x0028, 0x0010, b"US", b"1A "),
    )
    header = header_of_bytes(head + b"".join(broken) + b"\xe0\x7f\x10\x00OW" + pixels)
    assert header.study_date is None
    assert header.patient_age_years is None
    assert header.instance_number is None
    assert header.rows is None
    assert header.frames == 1
    assert header.has_pixel_data


@pytest.mark.parametrize(
    ("age", "years"),
    [("045Y", 45), ("018M", 1), ("011M", 0), ("100W", 1), ("400D", 1), ("45", None), ("Y", None)],
)
def test_an_age_is_whole_years_or_nothing(age: str, years: int | None) -> None:
    assert header_of_bytes(encoded(ct_dataset(PatientAge=age))).patient_age_years == years


def test_a_date_of_before_1993_is_a_date() -> None:
    header = header_of_bytes(encoded(ct_dataset(StudyDate="1992.12.01")))
    assert header.study_date == date(1992, 12, 1)


@pytest.mark.parametrize("charset", ["GB18030", "ISO_IR 192", "ISO 2022 IR 87", "NONSENSE", "\\"])
def test_no_character_set_keeps_an_object_out(charset: str) -> None:
    whole = encoded(ct_dataset(patient_id="ABC"))
    charsets = element(0x0008, 0x0005, b"CS", charset.encode().ljust(16))
    raw = whole.replace(b"LO\x04\x00ABC ", b"LO\x04\x00\xff\xb0\x81A")
    assert raw != whole
    header = header_of_bytes(charsets + raw)
    assert header.patient_id
    header.patient_id.encode("utf-8")


def test_texts_are_fit_for_a_database() -> None:
    dataset = ct_dataset(Manufacturer="A\0B\nC" + "x" * 100, BodyPartExamined="\0\0", Modality="ct")
    header = header_of_bytes(encoded(dataset))
    assert header.manufacturer == ("ABC" + "x" * 100)[:64]
    assert header.body_part_examined is None
    assert header.modality == "CT"


def test_a_patient_id_shows_in_no_representation_and_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        header = header_of_bytes(encoded(ct_dataset(patient_id="SECRET\\42", PatientSex="MALE!")))
    assert "SECRET" not in repr(header)
    assert "SECRET" not in caplog.text


def test_sequences_nested_without_end_are_refused() -> None:
    opened = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with pytest.raises(CannotUnderstand, match="cut off inside a sequence"):
        header_of_bytes(opened * 20_000)


def test_an_unknown_transfer_syntax_is_taken_as_explicit_little_endian() -> None:
    dataset = encoded(ct_dataset())
    assert header_of_bytes(dataset, "1.2.3.4").transfer_syntax_uid == "1.2.3.4"
    assert header_of_bytes(dataset, JPEG2000Lossless).rows == 64


def test_a_series_description_is_cut_and_never_shown() -> None:
    dataset = ct_dataset(SeriesDescription="t1 axial of Mrs Nobody " + "x" * 60)
    syntax = ExplicitVRLittleEndian
    header = header_of_bytes(encoded(dataset, syntax), syntax)
    assert header.series_description is not None
    assert header.series_description.startswith("t1 axial")
    assert len(header.series_description) == 64
    assert "axial" not in repr(header)
    assert header_of_bytes(encoded(ct_dataset(), syntax), syntax).series_description is None
