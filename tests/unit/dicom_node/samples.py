"""Datasets of nobody, encoded and stored, for tests of the DICOM side."""

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from dicom_node.files import ObjectStore
from dicom_node.header import Header, read_header
from dicom_node.meta import PREFIX, encode_meta
from dicom_node.receive import ReceivedObject, Receiver, Registration
from tests.support.objects import ct_dataset

EXPLICIT = str(ExplicitVRLittleEndian)


def encoded(dataset: Dataset, transfer_syntax_uid: str = EXPLICIT) -> bytes:
    """The dataset alone, without File Meta Information."""
    syntax = UID(transfer_syntax_uid)
    if not syntax.is_transfer_syntax:
        syntax = ExplicitVRLittleEndian
    file = DicomBytesIO()
    file.is_implicit_VR, file.is_little_endian = syntax.is_implicit_VR, syntax.is_little_endian
    dataset.file_meta = None  # type: ignore[assignment]
    write_dataset(file, dataset)
    return file.getvalue()


def compressed(dataset: Dataset, transfer_syntax_uid: str) -> Dataset:
    """The dataset with its pixels compressed by pydicom's own encoders, one fragment a frame."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.compress(transfer_syntax_uid, generate_instance_uid=False)
    return dataset


def part10(dataset: Dataset, transfer_syntax_uid: str = EXPLICIT) -> bytes:
    """A whole DICOM file; a deflated one is deflated as PS3.5 A.5 says."""
    meta = encode_meta(
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        transfer_syntax_uid=transfer_syntax_uid,
        source="ELSEWHERE",
    )
    if transfer_syntax_uid == DeflatedExplicitVRLittleEndian:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        body = deflater.compress(encoded(dataset)) + deflater.flush()
    else:
        body = encoded(dataset, transfer_syntax_uid)
    return PREFIX + meta + body


def header_of_bytes(dataset: bytes, transfer_syntax_uid: str = EXPLICIT) -> Header:
    return read_header(BytesIO(dataset), transfer_syntax_uid=transfer_syntax_uid)


def noise(*shape: int, dtype: type = np.int16, high: int = 4000) -> NDArray[Any]:
    """The same random stored values in every run, from 0 up to `high`."""
    return np.random.default_rng(7).integers(0, high, shape).astype(dtype)


def image_dataset(stored: NDArray[Any], **changes: Any) -> Dataset:
    """An MR image with exactly these stored values (H, W), (frames, H, W) or (H, W, 3)."""
    is_colour = stored.ndim == 3 and stored.shape[-1] == 3
    frames = stored if stored.ndim == 3 and not is_colour else stored[None]
    bits = 8 * stored.dtype.itemsize
    described: dict[str, Any] = {
        "Modality": "MR",
        "Rows": frames.shape[1],
        "Columns": frames.shape[2],
        "NumberOfFrames": len(frames),
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(stored.dtype.kind == "i"),
        "SamplesPerPixel": 3 if is_colour else 1,
        "PhotometricInterpretation": "RGB" if is_colour else "MONOCHROME2",
        "RescaleSlope": None,
        "RescaleIntercept": None,
        "PixelData": stored.tobytes() + b"\0" * (stored.nbytes % 2),
    }
    if is_colour:
        described["PlanarConfiguration"] = 0
    return ct_dataset(pixels=np.zeros((1, 1), np.int16), **{**described, **changes})


class Gallery:
    """A register callback that keeps what it is told in memory, as the database would."""

    def __init__(self) -> None:
        self.objects: list[ReceivedObject] = []
        self.failure: Exception | None = None

    def __call__(self, received: ReceivedObject) -> Registration:
        if self.failure is not None:
            raise self.failure
        for known in self.objects:
            if known.header.sop_instance_uid == received.header.sop_instance_uid:
                same = known.file.sha256 == received.file.sha256
                return Registration.DUPLICATE if same else Registration.CONFLICT
        self.objects.append(received)
        return Registration.STORED


def stored_path(folder: Path, dataset: Dataset, transfer_syntax_uid: str = EXPLICIT) -> Path:
    """Where the node keeps the object after receiving it."""
    store, gallery = ObjectStore(folder), Gallery()
    Receiver(store, gallery).receive(
        encoded(dataset, transfer_syntax_uid),
        transfer_syntax_uid=transfer_syntax_uid,
        source="TEST",
    )
    return store.path(gallery.objects[0].file.name)
