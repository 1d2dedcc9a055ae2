"""What the header's reading costs at most, whatever is in a dataset."""

import struct
from io import BytesIO

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from dicom_node.dataset import dataset_source
from dicom_node.errors import CannotUnderstand
from dicom_node.header import Header, header_of
from tests.support.objects import ct_dataset
from tests.unit.dicom_node.samples import compressed, encoded, header_of_bytes

SEQUENCE = b"\x08\x00\x40\x11SQ\0\0"
ITEM, ITEM_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0\0\0\0\0"
SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
UNDEFINED = b"\xff\xff\xff\xff"
WHOLE = encoded(ct_dataset(sop_instance_uid="1.2.3"))


def strict(dataset: bytes, syntax: str) -> Header:
    return header_of(dataset_source(BytesIO(dataset), syntax), strict=True)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
)
@pytest.mark.parametrize("undefined", [True, False])
def test_nested_sequences_are_stepped_over(syntax: str, undefined: bool) -> None:
    inner = Dataset()
    inner.ReferencedSOPInstanceUID = "1.2.9"
    inner.is_undefined_length_sequence_item = undefined
    middle = Dataset()
    middle.ReferencedImageSequence = Sequence([inner, inner])
    middle["ReferencedImageSequence"].is_undefined_length = undefined
    middle.is_undefined_length_sequence_item = undefined
    dataset = ct_dataset(sop_instance_uid="1.2.3")
    plain = header_of_bytes(encoded(dataset, syntax), syntax)
    dataset.ReferencedStudySequence = Sequence([middle] * 3)
    dataset["ReferencedStudySequence"].is_undefined_length = undefined
    assert header_of_bytes(encoded(dataset, syntax), syntax) == plain


def test_items_hidden_in_an_unknown_vr_are_stepped_over() -> None:
    hidden = ITEM + UNDEFINED + struct.pack("<HHL", 0x0008, 0x1155, 6) + b"1.2.9\0" + ITEM_END
    unknown = b"\x07\x00\x40\x11UN\0\0" + UNDEFINED + hidden + SEQUENCE_END
    assert header_of_bytes(unknown + WHOLE) == header_of_bytes(WHOLE)


def test_a_sequence_of_countless_items_is_given_up() -> None:
    countless = SEQUENCE + UNDEFINED + (ITEM + b"\0\0\0\0") * 1_000_001 + SEQUENCE_END
    with pytest.raises(CannotUnderstand, match="more than 1000000 elements"):
        header_of_bytes(countless + WHOLE)


def test_fragments_without_number_are_given_up() -> None:
    beginning = encoded(ct_dataset(PixelData=None)) + b"\xe0\x7f\x10\x00OB\0\0" + UNDEFINED
    with pytest.raises(CannotUnderstand, match="more than 1000000 elements"):
        header_of_bytes(beginning + (ITEM + b"\0\0\0\0") * 1_000_001)


def test_a_value_beyond_all_measure_counts_as_none() -> None:
    name = b"\x10\x00\x20\x00UT\0\0" + struct.pack("<L", 1 << 20) + b"A" * (1 << 20)
    nameless = encoded(ct_dataset(sop_instance_uid="1.2.3", PatientID=None))
    assert header_of_bytes(name + nameless).patient_id is None


@pytest.mark.parametrize(
    "damage",
    [
        SEQUENCE + UNDEFINED + b"\x08\x00\x50\x00SH\x02\0ab",
        SEQUENCE + UNDEFINED + ITEM + UNDEFINED,
        SEQUENCE + UNDEFINED + ITEM + struct.pack("<L", 1 << 30),
        ITEM_END,
        b"\x08\x00\x50\x00UN\0\0",
        b"\x08\x00\x50",
    ],
)
def test_damage_is_refused(damage: bytes) -> None:
    with pytest.raises(CannotUnderstand):
        header_of_bytes(damage)


def test_bytes_of_another_syntax_are_refused_where_it_was_agreed_on() -> None:
    dataset = ct_dataset(pixels=np.zeros((8, 8), np.int16))
    native = {s: encoded(dataset, s) for s in (ImplicitVRLittleEndian, ExplicitVRLittleEndian)}
    rle = encoded(compressed(dataset, RLELossless), RLELossless)
    assert strict(rle, RLELossless).has_pixel_data
    for syntax, whole in native.items():
        assert strict(whole, syntax).has_pixel_data
        for other in {*native, ExplicitVRBigEndian} - {syntax}:
            with pytest.raises(CannotUnderstand):
                strict(whole, other)
        with pytest.raises(CannotUnderstand):
            strict(rle, syntax)


def test_headers_of_a_series_differ_where_the_objects_do() -> None:
    first, second = ct_dataset(sop_instance_uid="1.2.3"), ct_dataset(sop_instance_uid="1.2.4")
    first.SeriesInstanceUID = second.SeriesInstanceUID = "1.2.5"
    first.StudyInstanceUID = second.StudyInstanceUID = "1.2.6"
    first.InstanceNumber, second.InstanceNumber = 1, 2
    headers = [header_of_bytes(encoded(dataset)) for dataset in (first, second)]
    assert [header.sop_instance_uid for header in headers] == ["1.2.3", "1.2.4"]
    assert [header.instance_number for header in headers] == [1, 2]
    second.PatientID = "another"
    second.SOPInstanceUID = "01.2"
    other = header_of_bytes(encoded(second))
    assert (other.patient_id, other.flags) == ("another", ("leading zeros in SOP Instance UID",))
