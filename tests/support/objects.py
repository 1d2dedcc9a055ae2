"""DICOM objects made for tests: small, valid, and of nobody."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def ct_dataset(
    *,
    patient_id: str = "TEST-1",
    study_instance_uid: str | None = None,
    series_instance_uid: str | None = None,
    sop_instance_uid: str | None = None,
    pixels: NDArray[np.int16] | None = None,
    seed: int = 0,
    **changes: Any,
) -> Dataset:
    """A CT slice; `changes` are elements to set, or to delete where the value is None."""
    if pixels is None:
        pixels = np.random.default_rng(seed).integers(0, 2000, (64, 64)).astype(np.int16)
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = sop_instance_uid or generate_uid()
    dataset.StudyInstanceUID = study_instance_uid or generate_uid()
    dataset.SeriesInstanceUID = series_instance_uid or generate_uid()
    dataset.PatientID = patient_id
    dataset.PatientName = "Nobody^At^All"
    dataset.Modality = "CT"
    dataset.StudyDate = "20240131"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.PixelData = pixels.tobytes()
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def write_file(path: Path, dataset: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> Path:
    """`dataset` as a DICOM Part 10 file, uncompressed."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = transfer_syntax
    file = FileDataset(str(path), dataset, file_meta=meta, preamble=b"\0" * 128)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)
    return path
