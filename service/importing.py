"""Imports files into the gallery by the path that a C-STORE takes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dicom_node.errors import DicomError, OutOfResources
from dicom_node.importing import import_file
from dicom_node.receive import Receiver, Registration
from service.errors import InvalidParameter


@dataclass(frozen=True)
class ImportRefusal:
    """A file that was not taken, and why."""

    path: str
    reason: str


@dataclass
class ImportReport:
    """What an import did, in numbers of files."""

    stored: int = 0
    duplicates: int = 0
    conflicts: int = 0
    dropped: int = 0
    refused: list[ImportRefusal] = field(default_factory=list)

    def sentence(self) -> str:
        """The report for a person."""
        dropped = f"{self.dropped} dropped by rule, " if self.dropped else ""
        return (
            f"{self.stored} stored, {self.duplicates} known already, {self.conflicts} kept as "
            f"conflicts, {dropped}{len(self.refused)} refused."
        )


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files named, and all files below the folders named, sorted.

    Raises:
        InvalidParameter: a path does not exist, or nothing is there.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(file for file in path.rglob("*") if file.is_file())
        elif path.exists():
            files.append(path)
        else:
            raise InvalidParameter(f"{path} does not exist.")
    if not files:
        raise InvalidParameter("There is no file below the folders named.")
    return files


def import_files(
    receiver: Receiver, files: Sequence[Path], advance: Callable[[], None]
) -> ImportReport:
    """Import each file; one that is refused does not stop the others, a full disk does.

    Raises:
        OutOfResources: disk or database failed; what was imported until then counts.
    """
    report = ImportReport()
    for path in files:
        try:
            registration, _ = import_file(receiver, path)
        except OutOfResources:
            if path.is_file() and _readable(path):
                raise
            report.refused.append(ImportRefusal(str(path), "the file cannot be read"))
        except DicomError as error:
            report.refused.append(ImportRefusal(str(path), str(error)))
        else:
            report.stored += registration is Registration.STORED
            report.duplicates += registration is Registration.DUPLICATE
            report.conflicts += registration is Registration.CONFLICT
            report.dropped += registration is Registration.DROPPED
        advance()
    return report


def _readable(path: Path) -> bool:
    """Whether it is our disk or database that failed, and not the file's."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError:
        return False
    return True
