"""Objects to send: CT and MR of int16, Explicit VR Little Endian, under UIDs never sent before.

The files are written once. For each repetition only their headers change, in place, so that
preparing costs next to nothing and leaves the page cache warm.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

_META_START, _META_LENGTH = 144, slice(140, 144)  # PS3.10 7.1
_LEVELS = ("1", "2", "3")  # study, series, instance


@dataclass(frozen=True)
class Kind:
    """What is sent: a square slice of `side` pixels."""

    name: str
    modality: str
    sop_class_uid: UID
    side: int

    @property
    def pixel_bytes(self) -> int:
        return 2 * self.side * self.side


CT = Kind("CT, 512 KB", "CT", CTImageStorage, 512)
MR = Kind("MR, 128 KB", "MR", MRImageStorage, 256)


def _uid(level: str, number: int) -> str:
    """A UUID-derived UID (PS3.5 B.2) of always the same length, so that headers stay in place."""
    return f"2.25.{level}{number:030d}"


def _template(kind: Kind) -> bytes:
    """One object as a file; its three UIDs carry number 0."""
    rng = np.random.default_rng(0)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = kind.sop_class_uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = (
        _uid(level, 0) for level in _LEVELS
    )
    dataset.PatientID, dataset.PatientName = "BENCHMARK", "Benchmark"
    dataset.Modality, dataset.BodyPartExamined = kind.modality, "HEAD"
    dataset.InstanceNumber = 1
    dataset.Rows = dataset.Columns = kind.side
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.RescaleIntercept, dataset.RescaleSlope = 0, 1
    dataset.PixelData = rng.integers(-1000, 2000, (kind.side, kind.side), dtype="<i2").tobytes()
    dataset["PixelData"].VR = "OW"
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


@dataclass(frozen=True)
class ObjectFiles:
    """Files to send again and again; `content` is one of them, its UIDs with number 0."""

    kind: Kind
    paths: tuple[Path, ...]
    content: bytes
    numbers: "count[int]"

    def renew(self, associations: int) -> list[Sequence[Path]]:
        """Give each file a new instance, and each association's share a new study and series.

        Returns the shares.
        """
        shares = [self.paths[start::associations] for start in range(associations)]
        for share in shares:
            study = next(self.numbers)
            for path in share:
                with path.open("r+b") as file:
                    file.write(self._header((study, study, next(self.numbers))))
        return list(shares)

    def study(self) -> Iterator[tuple[str, bytes]]:
        """Instances of a new study: SOP Instance UID, and the dataset alone."""
        study = next(self.numbers)
        while True:
            number = next(self.numbers)
            header = self._header((study, study, number))
            start = _META_START + int.from_bytes(header[_META_LENGTH], "little")
            yield _uid(_LEVELS[-1], number), header[start:] + self.content[len(header) :]

    def _header(self, numbers: tuple[int, int, int]) -> bytes:
        """All that stands before the pixels."""
        header = self.content[: len(self.content) - self.kind.pixel_bytes]
        for level, number in zip(_LEVELS, numbers, strict=True):
            header = header.replace(_uid(level, 0).encode(), _uid(level, number).encode())
        return header


def write_objects(folder: Path, kind: Kind, number: int, numbers: "count[int]") -> ObjectFiles:
    """Write `number` files into a new folder; `numbers` are those of UIDs not yet sent."""
    folder.mkdir()
    content = _template(kind)
    paths = tuple(folder / f"{n:04d}.dcm" for n in range(number))
    for path in paths:
        path.write_bytes(content)
    return ObjectFiles(kind, paths, content, numbers)
