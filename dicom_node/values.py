"""Takes single values out of a dataset that may hold anything, and never raises on what it finds.

What comes out is fit for a database and a log line: no NUL, no control character, no lone
surrogate, bounded in length.
"""

import re
from datetime import date
from functools import cache
from math import isfinite
from typing import Any, Protocol

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import VR

MAX_TEXT_LENGTH = 64
_MAX_VALUES = 64
_PLAIN_TEXT = frozenset({VR.AS, VR.CS, VR.DA, VR.IS, VR.LO, VR.SH, VR.UI})
_WHOLE = re.compile("0|[1-9][0-9]{0,8}")
_ESCAPE = b"\x1b"
_AGE_UNITS = {"Y": 1, "M": 12, "W": 52, "D": 365}


class Elements(Protocol):
    """What single values are taken out of: a pydicom Dataset, or what stands in for one."""

    def get_item(self, key: BaseTag, /) -> Any:
        """The element as it stands, None where it is absent."""

    def __getitem__(self, key: str, /) -> Any:
        """The element as pydicom understands it."""


def value_of(dataset: Elements, keyword: str) -> Any:
    """The element's value, its raw text where pydicom cannot convert it, None where it is absent.

    Broad on purpose: pydicom raises a dozen kinds of error on broken values, and a broken optional
    value must cost that value, not the object.
    """
    item = dataset.get_item(_tag(keyword))
    if item is None:
        return None
    plain = _plain(item) if isinstance(item, RawDataElement) else None
    if plain is not None:
        return plain
    try:
        return dataset[keyword].value
    except Exception:
        item = dataset.get_item(_tag(keyword))
        raw = item.value if isinstance(item, RawDataElement) else None
        return raw.decode("latin-1") if isinstance(raw, bytes) else None


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


def _plain(item: RawDataElement) -> str | list[str] | int | None:
    """The value where it takes no knowledge to decode it, which pydicom would take long over.

    ASCII means the same in every character set of the standard, as long as none is switched to.
    None where pydicom has to decide.
    """
    value = item.value
    if not value:
        return None
    vr = item.VR or _vr(item.tag)
    if vr == VR.US and len(value) == 2:
        return int.from_bytes(value, "little" if item.is_little_endian else "big")
    if vr not in _PLAIN_TEXT or not value.isascii() or _ESCAPE in value:
        return None
    text = value.decode("ascii").rstrip(" \0")
    if vr == VR.IS:
        return int(text) if _WHOLE.fullmatch(text) else None
    return text.split("\\") if "\\" in text else text


@cache
def _vr(tag: BaseTag) -> str | None:
    """The VR that the dictionary knows for a tag, which is what implicit VR means."""
    try:
        return dictionary_VR(tag)
    except KeyError:
        return None


def texts_of(dataset: Elements, keyword: str, limit: int = MAX_TEXT_LENGTH) -> tuple[str, ...]:
    """Every value of a text element, cleaned; empty where there is none."""
    value = value_of(dataset, keyword)
    if value is None:
        return ()
    values = value if isinstance(value, MultiValue | list | tuple) else str(value).split("\\")
    return tuple(clean_text(str(item), limit) for item in values[:_MAX_VALUES])


def text_of(dataset: Elements, keyword: str, limit: int = MAX_TEXT_LENGTH) -> str | None:
    """A text element as one cleaned string (values joined by backslashes), None where empty."""
    return "\\".join(texts_of(dataset, keyword, limit))[:limit] or None


def clean_text(text: str, limit: int = MAX_TEXT_LENGTH) -> str:
    """`text` without control characters, outer blanks and what UTF-8 cannot carry."""
    printable = text
    # Nearly every text is, and needs no looking at its characters one by one.
    if not text.isprintable():
        encodable = text.encode("utf-8", "replace").decode("utf-8")
        printable = "".join(character for character in encodable if character.isprintable())
    return printable.strip()[:limit].rstrip()


def integer_of(dataset: Elements, keyword: str, low: int, high: int) -> int | None:
    """A whole number within `low` to `high`, None for everything else."""
    value = value_of(dataset, keyword)
    try:
        number = int(value[0] if isinstance(value, MultiValue | list) else value)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return number if low <= number <= high else None


def number_of(dataset: Elements, keyword: str, position: int = 0) -> float | None:
    """A finite real number, the one at `position` of several, None for everything else."""
    value = value_of(dataset, keyword)
    try:
        number = float(value[position] if isinstance(value, MultiValue | list) else value)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return number if abs(number) != float("inf") and number == number else None


def numbers_of(dataset: Elements, keyword: str) -> tuple[float, ...]:
    """Every value of a numeric element; empty where one of them is no finite number."""
    try:
        numbers = tuple(float(text) for text in texts_of(dataset, keyword))
    except ValueError:
        return ()
    return numbers if all(map(isfinite, numbers)) else ()


def date_of(dataset: Elements, keyword: str) -> date | None:
    """A date written YYYYMMDD, or YYYY.MM.DD as before 1993; None for everything else."""
    digits = (text_of(dataset, keyword) or "").replace(".", "")
    if len(digits) < 8 or not digits[:8].isascii() or not digits[:8].isdigit():
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def age_years_of(dataset: Elements, keyword: str) -> int | None:
    """An age string such as 045Y, 018M, 003W or 010D (PS3.5 6.2) in whole years."""
    age = text_of(dataset, keyword) or ""
    digits, unit = age[:-1], age[-1:]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 3 and unit in _AGE_UNITS):
        return None
    return int(digits) // _AGE_UNITS[unit]
