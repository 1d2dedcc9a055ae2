"""Key Object Selection documents that are made to cost: read by nobody, or not to their end."""

import struct
from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_node.errors import CannotUnderstand
from dicom_node.files import ObjectStore
from dicom_node.meta import encode_meta
from dicom_node.rejection import KEY_OBJECT_SELECTION, Reference, read_rejection_note
from tests.support.objects import ct_dataset, write_file
from tests.support.rejections import key_object_selection
from tests.support.stored import store_file

SAFETY = "113037"
EMPTY_ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, 0)


def stored(store: ObjectStore, dataset: bytes) -> Path:
    meta = encode_meta(
        sop_class_uid=KEY_OBJECT_SELECTION,
        sop_instance_uid="1.2.3",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        source="PACS",
    )
    return store.path(store.write([dataset], meta).name)


def flooded(number: int, items: int) -> bytes:
    """A dataset whose sequence (0040,`number`) holds that many empty items, 8 bytes each."""
    uid = KEY_OBJECT_SELECTION.encode()
    uid += b"\0" * (len(uid) % 2)
    flood = struct.pack("<HH2sHL", 0x40, number, b"SQ", 0, 8 * items) + EMPTY_ITEM * items
    return struct.pack("<HH2sH", 8, 0x16, b"UI", len(uid)) + uid + flood


@pytest.mark.parametrize(("items", "why"), [(150_000, "more than"), (300_000, "too large")])
def test_a_title_full_of_empty_items_is_not_read(store: ObjectStore, items: int, why: str) -> None:
    with pytest.raises(CannotUnderstand, match=why):
        read_rejection_note(stored(store, flooded(0xA043, items)))


def test_without_a_title_the_evidence_is_not_looked_at(store: ObjectStore) -> None:
    assert read_rejection_note(stored(store, flooded(0xA375, 150_000))) is None


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("is_undefined", [True, False])
def test_a_note_is_read_however_it_is_encoded(
    store: ObjectStore, tmp_path: Path, syntax: str, is_undefined: bool
) -> None:
    rejected = [ct_dataset(seed=seed) for seed in range(3)]
    note = key_object_selection(rejected, SAFETY)
    for element in note.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = is_undefined
            for item in element.value:
                item.is_undefined_length_sequence_item = is_undefined
    path = write_file(tmp_path / "note.dcm", note, transfer_syntax=syntax)
    read = read_rejection_note(store.path(store_file(store, path).name))
    assert read is not None
    assert read.code == SAFETY
    study = rejected[0].StudyInstanceUID
    assert read.references == tuple(
        Reference(study, dataset.SeriesInstanceUID, dataset.SOPInstanceUID) for dataset in rejected
    )
