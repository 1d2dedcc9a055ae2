"""Collections of DICOM files from many makers, and which of them hold images that decode."""

import csv
import warnings
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from dicom_node.uids import is_uid

_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


@dataclass(frozen=True)
class Material:
    """A folder of files and, of those with valid UIDs that decode, the SOP Instance UIDs."""

    root: Path
    images: dict[Path, str]

    @property
    def files(self) -> list[Path]:
        """All files, in the order of an import."""
        return sorted(path for path in self.root.rglob("*") if path.is_file())

    @property
    def leaves(self) -> list[Path]:
        """The folders with files of their own."""
        return sorted({path.parent for path in self.files})


def sop_instance_uid_of(path: Path) -> str:
    """The dataset's SOP Instance UID, whatever the file meta says; empty where there is none."""
    return str(_header(path).get("SOPInstanceUID", ""))


def listed_material(root: Path) -> Material:
    """The collection that lies beside the repository; its files.csv says what decodes."""
    with (root / "files.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["suggested_expectation"] == "decode"]
    headers = {root / row["file"]: _header(root / row["file"]) for row in rows}
    return Material(root, _valid(headers))


def bundled_material() -> Material:
    """What pydicom brings along; pydicom itself says what decodes."""
    root = Path(pydicom.__file__).parent / "data" / "test_files"
    files = [path for path in sorted(root.iterdir()) if path.suffix == ".dcm" and _decodes(path)]
    return Material(root, _valid({file: _header(file) for file in files}))


def _valid(headers: dict[Path, Dataset]) -> dict[Path, str]:
    return {
        path: str(header.SOPInstanceUID)
        for path, header in headers.items()
        if all(is_uid(str(header.get(keyword, ""))) for keyword in _UIDS)
    }


def _header(path: Path) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        # pydicom reads a value, and warns of it, when it is first asked for.
        for keyword in _UIDS:
            header.get(keyword)
    return header


def _decodes(path: Path) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return bool(pydicom.dcmread(path, force=True).pixel_array.size)
        except Exception:  # whatever a broken file raises
            return False
