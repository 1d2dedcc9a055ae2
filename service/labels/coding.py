"""Coded concepts: scheme, code and meaning, as DICOM's coded entries have them (PS3.3 8).

It judges the shape of codes. Whether a terminology has such a concept it cannot know.
"""

import re
from dataclasses import dataclass

from service.errors import InvalidParameter

SNOMED_CT, RADLEX = "SCT", "RADLEX"

_LOCAL_SCHEME = re.compile(r"99[A-Z0-9_.-]{1,14}")
_SNOMED_ID = re.compile(r"[1-9][0-9]{5,17}", re.ASCII)
_RADLEX_ID = re.compile(r"RID[1-9][0-9]{0,8}", re.ASCII)
_LOCAL_CODE_LENGTH = 64
_CONCEPT_PARTITIONS = ("00", "10")


@dataclass(frozen=True)
class Concept:
    """A concept of a terminology.

    `scheme` is a Coding Scheme Designator (0008,0102): SCT, RADLEX, or a local one, which begins
    with 99 (PS3.16 8.2). `meaning` is the text that people read (0008,0104).
    """

    scheme: str
    code: str
    meaning: str


def checked_code(scheme: str, code: str) -> tuple[str, str]:
    """Scheme and code as they are written down, when they can be ones.

    Raises:
        InvalidParameter: the scheme is unknown, or the code is none of that scheme; the message
            never quotes them.
    """
    scheme = scheme.upper()
    if scheme == SNOMED_CT:
        _check_snomed(code)
    elif scheme == RADLEX:
        code = code.upper()
        if not _RADLEX_ID.fullmatch(code):
            raise InvalidParameter("a RadLex code is RID and digits, such as RID1234")
    elif not _LOCAL_SCHEME.fullmatch(scheme):
        raise InvalidParameter(
            "the scheme is SCT (SNOMED CT), RADLEX, or a name of your own that begins with 99"
        )
    elif len(code) > _LOCAL_CODE_LENGTH:
        raise InvalidParameter(f"a code has at most {_LOCAL_CODE_LENGTH} characters")
    return scheme, code


def _check_snomed(code: str) -> None:
    """SNOMED CT's identifiers: partition and check digit (SNOMED CT Release File, chapter 6)."""
    if not _SNOMED_ID.fullmatch(code):
        raise InvalidParameter("a SNOMED CT code is a number of 6 to 18 digits")
    if not has_check_digit(code):
        raise InvalidParameter("the check digit of the SNOMED CT code is wrong: look for a typo")
    if code[-3:-1] not in _CONCEPT_PARTITIONS:
        raise InvalidParameter("that SNOMED CT number names a description, not a concept")


def has_check_digit(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it, by Verhoeff's scheme (1969).

    Each digit is permuted by its place and multiplied in the dihedral group D5; a sound number
    comes to 0. So every single wrong digit and every swap of neighbours is found.
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total = _times(total, _permuted(int(digit), place % 8))
    return total == 0


def _times(a: int, b: int) -> int:
    """Multiplication in D5: 0 to 4 are rotations, 5 to 9 reflections."""
    rotation = (a % 5 + b % 5) % 5 if a < 5 else (a % 5 - b % 5) % 5
    return rotation + 5 * ((a < 5) != (b < 5))


_PERMUTATION = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _permuted(digit: int, times: int) -> int:
    for _ in range(times):
        digit = _PERMUTATION[digit]
    return digit
