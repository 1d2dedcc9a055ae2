from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dicom_node.errors import CannotUnderstand, OutOfResources
from dicom_node.files import ObjectStore
from dicom_node.importing import import_file, open_dicom_file
from dicom_node.meta import PREFIX
from dicom_node.receive import Receiver, Registration
from tests.support.objects import ct_dataset
from tests.unit.dicom_node.samples import Gallery, encoded, image_dataset, part10

NATIVE = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]


def bundled(name: str) -> Path:
    """A file that comes with pydicom; nothing is downloaded."""
    return Path(str(get_testdata_file(name, download=False)))


@pytest.mark.parametrize("syntax", [*NATIVE, DeflatedExplicitVRLittleEndian])
def test_the_dataset_of_a_file_is_kept_byte_for_byte(tmp_path: Path, syntax: str) -> None:
    whole = part10(ct_dataset(), syntax)
    (tmp_path / "a").write_bytes(whole)
    found = open_dicom_file(tmp_path / "a")
    assert found.header.transfer_syntax_uid == syntax
    assert whole.endswith(found.dataset)
    assert len(whole) - len(found.dataset) < 600


@pytest.mark.parametrize("syntax", NATIVE)
def test_the_syntax_of_a_file_without_meta_is_guessed(tmp_path: Path, syntax: str) -> None:
    whole = encoded(ct_dataset(), syntax)
    (tmp_path / "a").write_bytes(whole)
    found = open_dicom_file(tmp_path / "a")
    assert found.header.transfer_syntax_uid == syntax
    assert found.dataset == whole


def test_meta_without_a_preamble_counts(tmp_path: Path) -> None:
    whole = part10(ct_dataset(), ExplicitVRBigEndian)
    (tmp_path / "a").write_bytes(whole.removeprefix(PREFIX))
    assert open_dicom_file(tmp_path / "a").header.transfer_syntax_uid == ExplicitVRBigEndian


@pytest.mark.parametrize(
    "name", ["ExplVR_LitEndNoMeta.dcm", "ExplVR_BigEndNoMeta.dcm", "rtstruct.dcm"]
)
def test_incomplete_files_of_real_archives_are_read(name: str) -> None:
    assert open_dicom_file(bundled(name)).header.sop_instance_uid


def test_a_pushed_and_an_imported_object_are_the_same(tmp_path: Path) -> None:
    gallery, dataset = Gallery(), ct_dataset()
    receiver = Receiver(ObjectStore(tmp_path / "state"), gallery)
    receiver.receive(encoded(dataset), transfer_syntax_uid=ExplicitVRLittleEndian, source="SCANNER")
    (tmp_path / "a.dcm").write_bytes(part10(dataset))
    registration, header = import_file(receiver, tmp_path / "a.dcm")
    assert registration is Registration.DUPLICATE
    assert header.sop_instance_uid == dataset.SOPInstanceUID


def test_an_import_says_so(tmp_path: Path) -> None:
    gallery = Gallery()
    (tmp_path / "a.dcm").write_bytes(part10(ct_dataset()))
    import_file(Receiver(ObjectStore(tmp_path / "state"), gallery), tmp_path / "a.dcm")
    assert gallery.objects[0].source == "import"


def test_a_deflate_bomb_is_refused(tmp_path: Path) -> None:
    dataset = image_dataset(np.zeros((2048, 1024), np.int16))
    (tmp_path / "a").write_bytes(part10(dataset, DeflatedExplicitVRLittleEndian))
    with pytest.raises(CannotUnderstand, match="larger than 1 MiB"):
        open_dicom_file(tmp_path / "a", max_inflated_bytes=1 << 20)


@pytest.mark.parametrize("name", ["DICOMDIR", "DICOMDIR-implicit", "DICOMDIR-bigEnd"])
def test_a_dicomdir_is_refused_as_what_it_is(name: str) -> None:
    path = bundled("CT_small.dcm").parent / "dicomdirtests" / name
    with pytest.raises(CannotUnderstand, match="DICOMDIR"):
        open_dicom_file(path)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n" + b"\0" * 200, b"hello\n" * 100])
def test_what_is_not_dicom_is_called_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(CannotUnderstand, match="not a DICOM file"):
        open_dicom_file(tmp_path / "a.png")


def test_a_truncated_file_is_refused_as_truncated() -> None:
    with pytest.raises(CannotUnderstand, match="pixel data are shorter than declared"):
        open_dicom_file(bundled("MR_truncated.dcm"))


def test_a_file_that_cannot_be_read_is_no_fault_of_its_content(tmp_path: Path) -> None:
    with pytest.raises(OutOfResources, match="cannot be read"):
        open_dicom_file(tmp_path / "missing.dcm")
