"""One drawn slice as a DICOM instance: attributes, identifiers and encoding.

Every instance says of itself that it is synthetic. Writes no file.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    RLELossless,
)

from service.demo.cases import LABELS, Case
from service.demo.head import FIELD_OF_VIEW_MM

TRANSFER_SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless)

_NAMESPACE = uuid.UUID("5f0c9d1e-6b1c-4a8e-9a52-2f6f0c1d7a31")
# Part of every UID: raise it when a change of the drawing changes pixels, since another picture
# under a known UID would be a conflict in a gallery that holds the old one.
_DRAWING = 1
_RESCALE_INTERCEPT = -1024


@dataclass(frozen=True)
class Place:
    """Where a slice stands in its series; `index` counts from 0 at the lowest slice."""

    index: int
    height: float
    spacing: float


def make_uid(*name: object) -> UID:
    """A UID under 2.25 from a name-based UUID (DICOM PS3.5 B.2): the same name, the same UID."""
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(map(str, (_DRAWING, *name)))).int}")


def make_instance(case: Case, place: Place) -> FileDataset:
    """A complete CT or MR Image Storage instance (DICOM PS3.3 A.3, A.4), ready to be saved."""
    key = (case.seed, case.number)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage if case.modality == "CT" else MRImageStorage
    meta.MediaStorageSOPInstanceUID = make_uid(*key, "instance", place.index, f"{place.height:.3f}")
    turn = (case.number - 1) // len(LABELS) % len(TRANSFER_SYNTAXES)
    meta.TransferSyntaxUID = TRANSFER_SYNTAXES[turn]
    if meta.TransferSyntaxUID == RLELossless:
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
    instance = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    instance.SOPClassUID = meta.MediaStorageSOPClassUID
    instance.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    instance.SyntheticData = "YES"
    _describe_study(instance, case)
    _describe_plane(instance, case, place)
    _describe_acquisition(instance, case)
    _set_pixels(instance, case, place)
    if TRANSFER_SYNTAXES[turn] == RLELossless:
        instance.compress(RLELossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    return instance


def _describe_study(instance: Dataset, case: Case) -> None:
    """Patient, General Study, General Series, General Equipment and Frame of Reference modules."""
    key = (case.seed, case.number)
    instance.PatientName = f"Phantom^{case.number:03d}"
    instance.PatientID = f"PHANTOM-{case.number:03d}"
    instance.PatientBirthDate = ""
    instance.PatientSex = ""
    instance.QualityControlSubject = "YES"
    instance.StudyInstanceUID = make_uid(*key, "study")
    instance.StudyDate = f"{date(2018, 1, 1) + timedelta(days=case.number):%Y%m%d}"
    instance.StudyTime = "120000"
    instance.ReferringPhysicianName = ""
    instance.StudyID = str(case.number)
    instance.AccessionNumber = ""
    instance.StudyDescription = "Drawn head"
    instance.Modality = case.modality
    instance.SeriesInstanceUID = make_uid(*key, "series")
    instance.SeriesNumber = 1
    instance.SeriesDescription = (
        "Drawn CT, no contrast" if case.modality == "CT" else "Drawn T1, contrast look"
    )
    instance.BodyPartExamined = "HEAD"
    instance.PatientPosition = "HFS"
    instance.Manufacturer = "Precuneus"
    instance.ManufacturerModelName = "Drawn head phantom"
    instance.FrameOfReferenceUID = make_uid(*key, "frame of reference")
    instance.PositionReferenceIndicator = ""


def _describe_plane(instance: Dataset, case: Case, place: Place) -> None:
    """General Image and Image Plane modules: axial slices, nose up, patient coordinates in mm."""
    instance.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if case.modality == "CT" else "OTHER"]
    instance.AcquisitionNumber = 1
    instance.InstanceNumber = place.index + 1
    instance.ContentDate = instance.StudyDate
    instance.ContentTime = instance.StudyTime
    instance.BurnedInAnnotation = "NO"
    instance.LossyImageCompression = "00"
    instance.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    instance.SliceThickness = f"{place.spacing:.3f}"
    instance.SliceLocation = f"{place.height:.3f}"


def _describe_acquisition(instance: Dataset, case: Case) -> None:
    """CT Image and MR Image modules: what a scanner would have to say, left empty where allowed."""
    if case.modality == "CT":
        instance.KVP = ""
        instance.RescaleIntercept = _RESCALE_INTERCEPT
        instance.RescaleSlope = 1
        instance.RescaleType = "HU"
        instance.WindowCenter, instance.WindowWidth = 40, 80
        return
    instance.ScanningSequence = "SE"
    instance.SequenceVariant = "NONE"
    instance.ScanOptions = ""
    instance.MRAcquisitionType = "2D"
    instance.RepetitionTime = ""
    instance.EchoTime = ""
    instance.EchoTrainLength = ""
    instance.WindowCenter, instance.WindowWidth = 550, 1100


def _set_pixels(instance: Dataset, case: Case, place: Place) -> None:
    """Image Pixel module: unsigned 16 bit, of which CT uses 12."""
    pixels = case.pixels(place.height)
    if case.modality == "CT":
        pixels = pixels - np.int16(_RESCALE_INTERCEPT)
    instance.SamplesPerPixel = 1
    instance.PhotometricInterpretation = "MONOCHROME2"
    instance.Rows, instance.Columns = pixels.shape
    pixel_mm = FIELD_OF_VIEW_MM / pixels.shape[0]
    corner = (pixel_mm - FIELD_OF_VIEW_MM) / 2
    instance.PixelSpacing = [f"{pixel_mm:.6f}"] * 2
    instance.ImagePositionPatient = [f"{corner:.4f}", f"{corner:.4f}", f"{place.height:.3f}"]
    instance.BitsAllocated = 16
    instance.BitsStored = 12 if case.modality == "CT" else 16
    instance.HighBit = instance.BitsStored - 1
    instance.PixelRepresentation = 0
    instance.PixelData = pixels.astype("<u2").tobytes()
    instance["PixelData"].VR = "OW"
