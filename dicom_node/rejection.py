"""Reads rejection notes: Key Object Selection documents that name rejected instances.

The titles are those of IHE's Imaging Object Change Management (RAD TF-3 4.66.4.1.3; PS3.16 CID
7011). Nothing of the document but UIDs and the title's code is looked at.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pydicom
from pydicom.dataset import Dataset

from dicom_node.errors import CannotUnderstand
from dicom_node.uids import is_uid
from dicom_node.values import text_of, value_of

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
RejectionCode = Literal["113001", "113037", "113038", "113039"]
REJECTIONS: dict[str, str] = {
    "113001": "rejected for quality reasons",
    "113037": "rejected for patient safety reasons",
    "113038": "incorrect modality worklist entry",
    "113039": "data retention policy expired",
}
_MAX_DOCUMENT_BYTES = 32 << 20
_TAGS = ["SOPClassUID", "ConceptNameCodeSequence", "CurrentRequestedProcedureEvidenceSequence"]


@dataclass(frozen=True)
class Reference:
    """An instance that a note names, and where it belongs."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str


@dataclass(frozen=True)
class RejectionNote:
    """Which instances are rejected, and why: `code` is one of `REJECTIONS`."""

    code: str
    references: tuple[Reference, ...]


def read_rejection_note(path: Path) -> RejectionNote | None:
    """The note in a stored Key Object Selection document; None where its title is another.

    Raises:
        CannotUnderstand: the document is far larger than any, or cannot be parsed.
        OSError: it cannot be read.
    """
    if path.stat().st_size > _MAX_DOCUMENT_BYTES:
        raise CannotUnderstand("the Key Object Selection document is too large")
    try:
        document = pydicom.dcmread(path, specific_tags=list(_TAGS))
        code = _title_code(document)
        if code not in REJECTIONS or document.get("SOPClassUID") != KEY_OBJECT_SELECTION:
            return None
        return RejectionNote(code, tuple(dict.fromkeys(_references(document))))
    except (OSError, MemoryError):
        raise
    except Exception as error:
        kind = type(error).__name__
        raise CannotUnderstand(
            f"the Key Object Selection document cannot be parsed ({kind})"
        ) from None


def _title_code(document: Dataset) -> str:
    titles = _items(document, "ConceptNameCodeSequence")
    if not titles or text_of(titles[0], "CodingSchemeDesignator") != "DCM":
        return ""
    return text_of(titles[0], "CodeValue") or ""


def _references(document: Dataset) -> list[Reference]:
    """The evidence sequence names every instance that the content refers to (PS3.3 C.17.6.2)."""
    named = [
        Reference(
            text_of(study, "StudyInstanceUID") or "",
            text_of(series, "SeriesInstanceUID") or "",
            text_of(instance, "ReferencedSOPInstanceUID") or "",
        )
        for study in _items(document, "CurrentRequestedProcedureEvidenceSequence")
        for series in _items(study, "ReferencedSeriesSequence")
        for instance in _items(series, "ReferencedSOPSequence")
    ]
    return [reference for reference in named if all(map(is_uid, vars(reference).values()))]


def _items(dataset: Dataset, keyword: str) -> list[Any]:
    return list(value_of(dataset, keyword) or ())
