"""CT objects to send: 512 x 512 of int16, Explicit VR Little Endian, under UIDs never sent before.

The files are written once. For each repetition only their headers change, in place, so that
preparing costs next to nothing and leaves the page cache warm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

_SIDE = 512
_LEVELS = ("1", "2", "3")  # study, series, instance


def _uid(level: str, number: int) -> str:
    """A UUID-derived UID (PS3.5 B.2) of always the same length, so that headers stay in place."""
    return f"2.25.{level}{number:030d}"


def _template() -> bytes:
    """One object as a file; its three UIDs carry number 0."""
    rng = np.random.default_rng(0)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = (
        _uid(level, 0) for level in _LEVELS
    )
    dataset.PatientID, dataset.PatientName = "BENCHMARK", "Benchmark"
    dataset.Modality, dataset.BodyPartExamined, dataset.InstanceNumber = "CT", "HEAD", 1
    dataset.Rows = dataset.Columns = _SIDE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.RescaleIntercept, dataset.RescaleSlope = 0, 1
    dataset.PixelData = rng.integers(-1000, 2000, (_SIDE, _SIDE), dtype="<i2").tobytes()
    dataset["PixelData"].VR = "OW"
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


@dataclass(frozen=True)
class ObjectFiles:
    """Files to send again and again; `header` is all that stands before the pixels."""

    paths: tuple[Path, ...]
    header: bytes
    numbers: "count[int]"

    def renew(self, associations: int) -> list[Sequence[Path]]:
        """Give each file a new instance, and each association's share a new study and series.

        Returns the shares.
        """
        shares = [self.paths[start::associations] for start in range(associations)]
        for share in shares:
            study = next(self.numbers)
            for path in share:
                self._write_header(path, (study, study, next(self.numbers)))
        return list(shares)

    def _write_header(self, path: Path, numbers: tuple[int, int, int]) -> None:
        header = self.header
        for level, number in zip(_LEVELS, numbers, strict=True):
            header = header.replace(_uid(level, 0).encode(), _uid(level, number).encode())
        with path.open("r+b") as file:
            file.write(header)


def write_objects(folder: Path, number: int) -> ObjectFiles:
    """Write `number` files into a new folder."""
    folder.mkdir()
    content = _template()
    paths = tuple(folder / f"{n:04d}.dcm" for n in range(number))
    for path in paths:
        path.write_bytes(content)
    return ObjectFiles(paths, content[: len(content) - 2 * _SIDE * _SIDE], count(1))
