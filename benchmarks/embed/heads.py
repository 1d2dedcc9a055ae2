"""Drawn heads for the embedding benchmark: pixels, and DICOM files that hold them."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

SIDE = 512
Modality = Literal["CT", "MR"]


def head(modality: Modality, seed: int = 0) -> NDArray[np.float32]:
    """A noisy ellipse in air, with the values of a head in HU or of MR."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    inside = (x / 0.6) ** 2 + (y / 0.8) ** 2 < 1
    air, tissue = (-1000.0, 35.0) if modality == "CT" else (5.0, 400.0)
    noise = rng.normal(0, 5, (SIDE, SIDE))
    return (np.where(inside, tissue, air) + noise).astype(np.float32)


def write_heads(folder: Path, number: int) -> list[Path]:
    """Files of 512 KB, Explicit VR Little Endian, CT and MR in turn, ten slices a patient."""
    folder.mkdir()
    pixels = {modality: head(modality) for modality in ("CT", "MR")}
    paths = []
    for n in range(number):
        modality: Modality = "CT" if n // 10 % 2 == 0 else "MR"
        paths.append(folder / f"{n:04d}.dcm")
        _object(n, modality, pixels[modality]).save_as(paths[-1], enforce_file_format=True)
    return paths


def _object(number: int, modality: Modality, pixels: NDArray[np.float32]) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = f"2.25.1{number // 10:030d}"
    dataset.SOPInstanceUID = f"2.25.3{number:030d}"
    dataset.PatientID, dataset.PatientName = f"BENCHMARK-{number // 10}", "Benchmark"
    dataset.Modality, dataset.BodyPartExamined, dataset.InstanceNumber = modality, "HEAD", number
    dataset.Rows = dataset.Columns = SIDE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.RescaleIntercept, dataset.RescaleSlope = 0, 1
    dataset.PixelData = pixels.astype("<i2").tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset
