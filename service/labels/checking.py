"""Checks what was given as a label, from a table's cells or a request's fields alike."""

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from dicom_node.uids import is_uid
from service.errors import InvalidParameter
from service.labels.coding import Concept, checked_code
from service.labels.concepts import known_concept
from service.labels.provenance import source_of
from service.labels.record import SOURCES, LabelRecord

FIELDS = (
    "sop_instance_uid",
    "study_instance_uid",
    "label",
    "source",
    "scheme",
    "code",
    "meaning",
    "origin",
    "author",
    "stated_at",
)
MAXIMUM_LENGTH = 200
# Clocks of two machines may differ, and a day may have begun elsewhere.
_AHEAD = timedelta(days=1)
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)


def checked(fields: Mapping[str, str]) -> LabelRecord:
    """The label that `fields` (of FIELDS, empty where not given) say.

    Raises:
        InvalidParameter: a field is missing or malformed; the message quotes none of the values.
    """
    value = {name: (fields.get(name) or "").strip() for name in FIELDS}
    for name, text in value.items():
        _check_text(name, text)
    # Tables exported from an archive often give both: the narrower one is meant.
    subject = value["sop_instance_uid"] or value["study_instance_uid"]
    if not subject:
        raise InvalidParameter("a UID and a label are needed")
    if not is_uid(subject):
        raise InvalidParameter("that is not a UID (digits and dots, at most 64 characters)")
    if value["origin"] and source_of(value["source"])[1]:
        raise InvalidParameter("where an origin is given, source is one of " + ", ".join(SOURCES))
    label, concept = _label_and_concept(value)
    return LabelRecord(
        sop_instance_uid=value["sop_instance_uid"] or None,
        study_instance_uid=None if value["sop_instance_uid"] else subject,
        label=label,
        source=value["source"] or "import",
        origin=value["origin"] or None,
        concept=concept,
        author=value["author"] or None,
        stated_at=checked_time(value["stated_at"]) if value["stated_at"] else None,
    )


def _check_text(name: str, text: str) -> None:
    if len(text) > MAXIMUM_LENGTH:
        raise InvalidParameter(f"{name} has at most {MAXIMUM_LENGTH} characters")
    # Cs is what bytes become that are no UTF-8. Most texts are printable, and that is quickly seen.
    if not text.isprintable() and any(
        unicodedata.category(character) in ("Cc", "Cs") for character in text
    ):
        raise InvalidParameter(f"{name} is one line of text in UTF-8")


def _label_and_concept(value: Mapping[str, str]) -> tuple[str, Concept | None]:
    """The label, and its concept where a code is given; each may name the other."""
    if not (value["scheme"] or value["code"] or value["meaning"]):
        if not value["label"]:
            raise InvalidParameter("a UID and a label are needed")
        return value["label"], None
    if not (value["scheme"] and value["code"]):
        raise InvalidParameter("scheme, code and meaning belong together")
    scheme, code = checked_code(value["scheme"], value["code"])
    known = known_concept(scheme, code)
    meaning = value["meaning"] or (known[1].meaning if known else "")
    if not meaning:
        raise InvalidParameter("what the code means is missing (column meaning)")
    label = value["label"] or (known[0] if known else meaning)
    return label, Concept(scheme, code, meaning)


def checked_time(text: str) -> datetime:
    """A time in ISO 8601; without a zone it is UTC.

    Raises:
        InvalidParameter: it is none, or lies in the future or before 1900.
    """
    try:
        time = datetime.fromisoformat(text)
        time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidParameter("stated_at is a date or a time such as 2026-11-23T09:30Z") from None
    if not _EARLIEST <= time <= datetime.now(UTC) + _AHEAD:
        raise InvalidParameter("stated_at lies in the future or before 1900")
    return time
