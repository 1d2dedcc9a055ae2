"""What is read from received objects and what of it is kept; and what rejection notes do."""

import re

from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_description, tag_for_keyword

from dicom_node.header import FACTS, UIDS
from dicom_node.images import KEYWORDS
from dicom_node.rejection import REJECTIONS
from service.conformance.facts import Attribute, RejectionTitle
from service.deletion.rejecting import QUALITY, REFUSED_AGAIN

_HASHED = "only as part of a keyed hash, by which slices of one patient are told"
_KEPT = {
    "SOPClassUID": "as it is",
    "SOPInstanceUID": "as it is",
    "StudyInstanceUID": "as it is",
    "SeriesInstanceUID": "as it is",
    "PatientID": _HASHED,
    "IssuerOfPatientID": _HASHED,
    "PatientSex": "as it is",
    "PatientAge": "in whole years",
    "StudyDate": "as it is",
    "Modality": "as it is; OT where it is missing",
    "BodyPartExamined": "as it is",
    "Manufacturer": "as it is",
    "SeriesDescription": "as it is",
    "ImageType": "as it is",
    "InstanceNumber": "as it is",
    "Rows": "as it is",
    "Columns": "as it is",
    "NumberOfFrames": "as it is; 1 where it is missing",
    "PhotometricInterpretation": "not kept",
}
_TERM = re.compile(r"ISO_IR \d+|ISO 2022 IR \d+|GB18030|GBK")
_USED = "to prepare the picture; not kept"
_USED_FOR = {"ImageOrientationPatient": "to prepare the picture; kept as the plane of the slice"}


def attributes() -> tuple[Attribute, ...]:
    """What registration reads; a KeyError for an attribute of which nobody said how it is kept."""
    return tuple(_attribute(keyword, _KEPT[keyword]) for keyword in (*UIDS, *FACTS))


def image_attributes() -> tuple[Attribute, ...]:
    """What decoding reads beside these."""
    return tuple(
        _attribute(keyword, _USED_FOR.get(keyword, _USED))
        for keyword in KEYWORDS
        if keyword not in _KEPT
    )


def character_sets() -> tuple[str, ...]:
    """The Defined Terms of Specific Character Set (0008,0005) in which texts are understood."""
    return tuple(sorted(term for term in python_encoding if _TERM.fullmatch(term)))


def _attribute(keyword: str, kept: str) -> Attribute:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    number = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return Attribute(keyword, number, dictionary_description(tag), kept)


def rejection_titles() -> tuple[RejectionTitle, ...]:
    """What the titles of rejection notes do to the instances that a note names."""
    return tuple(
        RejectionTitle(code, meaning, _effect(code)) for code, meaning in REJECTIONS.items()
    )


def _effect(code: str) -> str:
    if code == QUALITY:
        return "hidden from every search, but kept; a re-send stays hidden"
    if code in REFUSED_AGAIN:
        return "deleted; a re-send is refused with 0x0124"
    return "deleted; a re-send is new, and flagged"
