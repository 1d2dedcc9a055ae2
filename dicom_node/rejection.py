"""Reads rejection notes: Key Object Selection documents that name rejected instances.

The titles are those of IHE's Imaging Object Change Management (RAD TF-3 4.66.4.1.3; PS3.16 CID
7011). Nothing of the document but UIDs and the title's code is looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dicom_node.dataset import open_stored
from dicom_node.errors import CannotUnderstand
from dicom_node.items import Element, ItemReader
from dicom_node.uids import is_uid

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
RejectionCode = Literal["113001", "113037", "113038", "113039"]
REJECTIONS: dict[str, str] = {
    "113001": "rejected for quality reasons",
    "113037": "rejected for patient safety reasons",
    "113038": "incorrect modality worklist entry",
    "113039": "data retention policy expired",
}
# Some ten thousand references; a note names the images of one study.
_MAX_DOCUMENT_BYTES = 2 << 20
_MAX_ELEMENTS = 100_000
_SOP_CLASS_UID, _SOP_INSTANCE_UID, _STUDY_UID, _SERIES_UID = 0x80016, 0x81155, 0x20000D, 0x20000E
_TITLE, _CODE_VALUE, _CODING_SCHEME = 0x40A043, 0x80100, 0x80102
_EVIDENCE, _SERIES, _INSTANCES = 0x40A375, 0x81115, 0x81199


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
    with open_stored(path, _MAX_DOCUMENT_BYTES) as source:
        source.file.seek(source.start)
        _, is_little = source.encoding
        encoded = source.file.read(source.size - source.start)
    reader = ItemReader(encoded, is_little=is_little, max_steps=_MAX_ELEMENTS)
    document = reader.top()
    code = _title_code(reader, document)
    sop_class_uid = reader.text(document.get(_SOP_CLASS_UID))
    if code not in REJECTIONS or sop_class_uid != KEY_OBJECT_SELECTION:
        return None
    return RejectionNote(code, tuple(dict.fromkeys(_references(reader, document))))


def _title_code(reader: ItemReader, document: Mapping[int, Element]) -> str:
    titles = reader.items(document.get(_TITLE))
    if not titles or reader.text(titles[0].get(_CODING_SCHEME)) != "DCM":
        return ""
    return reader.text(titles[0].get(_CODE_VALUE))


def _references(reader: ItemReader, document: Mapping[int, Element]) -> list[Reference]:
    """The evidence sequence names every instance that the content refers to (PS3.3 C.17.6.2)."""
    named = [
        Reference(
            reader.text(study.get(_STUDY_UID)),
            reader.text(series.get(_SERIES_UID)),
            reader.text(instance.get(_SOP_INSTANCE_UID)),
        )
        for study in reader.items(document.get(_EVIDENCE))
        for series in reader.items(study.get(_SERIES))
        for instance in reader.items(series.get(_INSTANCES))
    ]
    return [reference for reference in named if all(map(is_uid, vars(reference).values()))]
