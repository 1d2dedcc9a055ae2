"""The demo's studies are valid, honest and repeatable DICOM files."""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from service.demo.cases import GLIOMA, LABELS, Case
from service.demo.studies import StudySet, write_studies

SLICES = 2

# Type 1 and 2 attributes of the modules in PS3.3 A.3 and A.4.
COMMON = [
    "SOPClassUID",
    "SOPInstanceUID",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "Modality",
    "SeriesInstanceUID",
    "SeriesNumber",
    "PatientPosition",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "Manufacturer",
    "InstanceNumber",
    "ImageType",
    "PixelSpacing",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "SliceThickness",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
    "WindowCenter",
    "WindowWidth",
]
CT_ONLY = ["RescaleIntercept", "RescaleSlope", "RescaleType", "KVP", "AcquisitionNumber"]
MR_ONLY = [
    "ScanningSequence",
    "SequenceVariant",
    "ScanOptions",
    "MRAcquisitionType",
    "RepetitionTime",
    "EchoTime",
    "EchoTrainLength",
]


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> StudySet:
    return write_studies(tmp_path_factory.mktemp("demo"), slices_per_patient=SLICES)


@pytest.fixture(scope="module")
def instances(studies: StudySet) -> list[pydicom.FileDataset]:
    return [pydicom.dcmread(path) for path in studies.files]


def test_at_least_thirty_patients_with_one_study_each(
    instances: list[pydicom.FileDataset],
) -> None:
    patients = Counter(i.PatientID for i in instances)
    assert len(patients) >= 30
    assert set(patients.values()) == {SLICES}
    for level in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        assert len({(i.PatientID, i[level].value) for i in instances}) == len(patients)
        assert len({i[level].value for i in instances}) == len(patients)


def test_every_required_attribute_is_there(instances: list[pydicom.FileDataset]) -> None:
    for instance in instances:
        own = CT_ONLY if instance.Modality == "CT" else MR_ONLY
        assert [name for name in COMMON + own if name not in instance] == []


def test_uids_are_valid_unique_and_agree_with_the_file_meta(
    instances: list[pydicom.FileDataset],
) -> None:
    seen = [i.SOPInstanceUID for i in instances]
    for instance in instances:
        seen_here = (
            instance.SOPInstanceUID,
            instance.StudyInstanceUID,
            instance.SeriesInstanceUID,
            instance.FrameOfReferenceUID,
        )
        assert len(set(seen_here)) == 4
        assert all(uid.is_valid and uid.startswith("2.25.") for uid in seen_here)
        assert instance.file_meta.MediaStorageSOPInstanceUID == instance.SOPInstanceUID
        assert instance.file_meta.MediaStorageSOPClassUID == instance.SOPClassUID
    assert len(set(seen)) == len(seen)


def test_instances_say_that_nobody_was_scanned(instances: list[pydicom.FileDataset]) -> None:
    for instance in instances:
        assert instance.SyntheticData == "YES"
        assert instance.QualityControlSubject == "YES"
        assert str(instance.PatientName).startswith("Phantom^")
        assert instance.PatientID.startswith("PHANTOM-")


def test_each_label_comes_in_each_transfer_syntax(
    studies: StudySet, instances: list[pydicom.FileDataset]
) -> None:
    labels = _labels(studies)
    pairs = {(labels[i.SOPInstanceUID], i.file_meta.TransferSyntaxUID) for i in instances}
    syntaxes = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless)
    assert pairs == {(label, syntax) for label in LABELS for syntax in syntaxes}


def test_files_decode_to_what_was_drawn(instances: list[pydicom.FileDataset]) -> None:
    # The first patient of each label in each transfer syntax.
    for instance in instances[: 9 * SLICES : SLICES]:
        case = Case.drawn(2018, int(instance.StudyID))
        drawn = case.pixels(case.heights(SLICES)[0])
        stored = instance.pixel_array.astype(np.int32)
        if case.modality == "CT":
            stored = stored * int(instance.RescaleSlope) + int(instance.RescaleIntercept)
        np.testing.assert_array_equal(stored, drawn)


def test_slices_lie_in_order_and_evenly_apart(instances: list[pydicom.FileDataset]) -> None:
    for lower, upper in zip(instances[::SLICES], instances[1::SLICES], strict=True):
        step = upper.ImagePositionPatient[2] - lower.ImagePositionPatient[2]
        assert step == pytest.approx(float(lower.SliceThickness), abs=0.002)
        assert upper.InstanceNumber == lower.InstanceNumber + 1


def test_labels_name_every_file_and_the_query_is_a_glioma(
    studies: StudySet, instances: list[pydicom.FileDataset]
) -> None:
    labels = _labels(studies)
    assert set(labels) == {i.SOPInstanceUID for i in instances}
    assert set(labels.values()) == set(LABELS)
    assert labels[studies.query_sop_instance_uid] == GLIOMA


def test_file_names_tell_no_patient(studies: StudySet) -> None:
    assert not any("phantom" in str(path.relative_to(path.parents[2])) for path in studies.files)


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    first, again, other = (
        write_studies(tmp_path / name, patients=9, slices_per_patient=1, seed=seed)
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert [p.read_bytes() for p in first.files] == [p.read_bytes() for p in again.files]
    assert first.labels_csv.read_bytes() == again.labels_csv.read_bytes()
    assert first.query_sop_instance_uid == again.query_sop_instance_uid
    assert not set(_labels(first)) & set(_labels(other))


@pytest.mark.parametrize(("patients", "slices"), [(2, 6), (36, 0)])
def test_too_few_are_refused(tmp_path: Path, patients: int, slices: int) -> None:
    with pytest.raises(ValueError, match="at least 3 patients"):
        write_studies(tmp_path, patients=patients, slices_per_patient=slices)


@pytest.mark.skipif(shutil.which("dcmdump") is None, reason="dcmtk is not installed")
def test_dcmtk_reads_every_file_without_complaint(studies: StudySet) -> None:
    dump = subprocess.run(
        ["dcmdump", "--quiet", "--search", "SOPInstanceUID", *map(str, studies.files)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert dump.stderr == ""
    assert dump.stdout.count("SOPInstanceUID") == len(studies.files)


def _labels(studies: StudySet) -> dict[str, str]:
    with studies.labels_csv.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["source"] for row in rows} == {"phantom"}
    return {row["sop_instance_uid"]: row["label"] for row in rows}
