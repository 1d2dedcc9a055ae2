"""Reads what the gallery wants to know of an object, and stops before its pixels.

Demands only what identifies the object; every other value may be broken and is then None.
"""

from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from pydicom.datadict import tag_for_keyword
from pydicom.uid import UID

from dicom_node.dataset import (
    MAX_INFLATED_BYTES,
    UNDEFINED_LENGTH,
    DatasetSource,
    PixelElement,
    dataset_source,
    open_stored,
)
from dicom_node.errors import CannotUnderstand
from dicom_node.found import Found
from dicom_node.uids import checked_uid, has_leading_zeros
from dicom_node.values import Elements, age_years_of, date_of, integer_of, text_of, texts_of
from dicom_node.walking import MAX_ELEMENTS, walk

UIDS = {
    "SOPClassUID": "SOP Class UID",
    "SOPInstanceUID": "SOP Instance UID",
    "StudyInstanceUID": "Study Instance UID",
    "SeriesInstanceUID": "Series Instance UID",
}
FACTS = (
    "PatientID",
    "IssuerOfPatientID",
    "PatientSex",
    "PatientAge",
    "StudyDate",
    "Modality",
    "BodyPartExamined",
    "Manufacturer",
    "SeriesDescription",
    "ImageType",
    "InstanceNumber",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "PhotometricInterpretation",
)
_MAX_INT32 = 2**31 - 1
# A Patient ID is only hashed, so one longer than the standard's 64 characters is kept whole.
_MAX_PATIENT_ID = 1024


@dataclass(frozen=True)
class Header:
    """The facts of one object; identifiers are checked, texts are fit for a database.

    `frames` is the declared Number of Frames, at least 1. `patient_id`, `issuer_of_patient_id`
    and `series_description`, into which people write names, are kept out of the representation, so
    that a log line cannot show them by accident.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    patient_id: str | None = field(repr=False)
    issuer_of_patient_id: str | None = field(repr=False)
    modality: str | None
    body_part_examined: str | None
    manufacturer: str | None
    series_description: str | None = field(repr=False)
    study_date: date | None
    patient_sex: str | None
    patient_age_years: int | None
    image_type: tuple[str, ...]
    instance_number: int | None
    rows: int | None
    columns: int | None
    frames: int
    photometric_interpretation: str | None
    has_pixel_data: bool
    flags: tuple[str, ...] = ()


def _tags(keywords: tuple[str, ...]) -> frozenset[int]:
    return frozenset(tag for word in keywords if (tag := tag_for_keyword(word)) is not None)


_HEADER_TAGS = _tags((*UIDS, *FACTS))
_OWN_TAGS = _tags(("SOPInstanceUID", "InstanceNumber"))


def read_header(
    file: BinaryIO | Path | str,
    *,
    transfer_syntax_uid: str | None = None,
    max_inflated_bytes: int = MAX_INFLATED_BYTES,
) -> Header:
    """Read the header of a DICOM file, or of a bare dataset when `transfer_syntax_uid` is given.

    Args:
        file: a path to a file with File Meta Information, or a seekable binary file that holds
            nothing but a dataset; then `transfer_syntax_uid` must say how it is encoded.
        transfer_syntax_uid: the dataset's transfer syntax.
        max_inflated_bytes: what a deflated dataset may grow to.

    Raises:
        CannotUnderstand: the dataset cannot be parsed, is cut off (native or encapsulated pixel
            data included), or lacks a SOP Class, SOP Instance, Study or Series Instance UID.
    """
    if isinstance(file, Path | str):
        with open_stored(Path(file), max_inflated_bytes) as source:
            return header_of(source)
    if transfer_syntax_uid is None:
        raise TypeError("a bare dataset needs its transfer_syntax_uid")
    syntax = checked_uid(transfer_syntax_uid, "Transfer Syntax UID")
    return header_of(dataset_source(file, syntax, limit=max_inflated_bytes))


def header_of(
    source: DatasetSource, *, strict: bool = False, max_elements: int = MAX_ELEMENTS
) -> Header:
    """The header of an opened dataset; raises as `read_header` and `walk` do.

    `strict` refuses bytes that are plainly not in the transfer syntax they are said to be in: such
    files exist in archives, but a peer that negotiated the syntax should know.
    """
    found, pixels, is_explicit = walk(source, _HEADER_TAGS, max_elements)
    if strict:
        _require_syntax(source, pixels, is_explicit=is_explicit)
    own, common = found.split(_OWN_TAGS)
    instance_uid = checked_uid(text_of(own, "SOPInstanceUID", 256), UIDS["SOPInstanceUID"])
    facts, zeros = _common_facts(common)
    if has_leading_zeros(instance_uid):
        zeros = zeros | {"SOPInstanceUID"}
    return Header(
        **facts,
        sop_instance_uid=instance_uid,
        transfer_syntax_uid=source.transfer_syntax_uid,
        instance_number=integer_of(own, "InstanceNumber", -_MAX_INT32, _MAX_INT32),
        has_pixel_data=pixels is not None and pixels.length != 0,
        flags=tuple(f"leading zeros in {UIDS[key]}" for key in UIDS if key in zeros),
    )


@lru_cache(maxsize=256)
def _common_facts(dataset: Found) -> tuple[dict[str, Any], frozenset[str]]:
    """What objects of a series nearly always share, understood once; and UIDs with leading zeros.

    Raises:
        CannotUnderstand: a UID is missing or none, or texts cannot be decoded.
    """
    dataset.require_character_set()
    keys = [key for key in UIDS if key != "SOPInstanceUID"]
    uids = {key: checked_uid(text_of(dataset, key, 256), UIDS[key]) for key in keys}
    facts = {
        "sop_class_uid": uids["SOPClassUID"],
        "study_instance_uid": uids["StudyInstanceUID"],
        "series_instance_uid": uids["SeriesInstanceUID"],
        "patient_id": text_of(dataset, "PatientID", _MAX_PATIENT_ID),
        "issuer_of_patient_id": text_of(dataset, "IssuerOfPatientID", _MAX_PATIENT_ID),
        "modality": _code(dataset, "Modality"),
        "body_part_examined": text_of(dataset, "BodyPartExamined"),
        "manufacturer": text_of(dataset, "Manufacturer"),
        "series_description": text_of(dataset, "SeriesDescription"),
        "study_date": date_of(dataset, "StudyDate"),
        "patient_sex": _code(dataset, "PatientSex"),
        "patient_age_years": age_years_of(dataset, "PatientAge"),
        "image_type": texts_of(dataset, "ImageType"),
        "rows": integer_of(dataset, "Rows", 1, 65535),
        "columns": integer_of(dataset, "Columns", 1, 65535),
        "frames": integer_of(dataset, "NumberOfFrames", 1, _MAX_INT32) or 1,
        "photometric_interpretation": _code(dataset, "PhotometricInterpretation"),
    }
    return facts, frozenset(key for key, uid in uids.items() if has_leading_zeros(uid))


def _require_syntax(
    source: DatasetSource, pixels: PixelElement | None, *, is_explicit: bool
) -> None:
    known = _traits(source.transfer_syntax_uid)
    if known is None:
        return
    may_be_implicit, may_be_compressed = known
    is_compressed = pixels is not None and pixels.length == UNDEFINED_LENGTH
    if is_explicit == may_be_implicit or (is_compressed and not may_be_compressed):
        raise CannotUnderstand("the dataset is not in the transfer syntax that was agreed on")


@lru_cache(maxsize=64)  # named by peers, so not without bounds
def _traits(transfer_syntax_uid: str) -> tuple[bool, bool] | None:
    """Whether a transfer syntax is implicit and compressed; None where it is a private one."""
    syntax = UID(transfer_syntax_uid)
    return (syntax.is_implicit_VR, syntax.is_compressed) if syntax.is_transfer_syntax else None


def _code(dataset: Elements, keyword: str) -> str | None:
    """The first value of a code string, in capitals, cut to the 16 characters a code may have."""
    values = texts_of(dataset, keyword, 16)
    return values[0].upper() or None if values else None
