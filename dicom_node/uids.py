"""Checks unique identifiers before anything trusts them (PS3.5 9.1)."""

import re

from pydicom.uid import UID

from dicom_node.errors import CannotUnderstand

MAX_UID_LENGTH = 64
_UID = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)
_LEADING_ZERO = re.compile(r"(^|\.)0[0-9]")


def is_uid(text: str) -> bool:
    """Whether `text` is digits and dots, at most 64 characters, without empty components.

    Leading zeros in a component break the standard but stand in archives, so they are let pass.
    """
    return len(text) <= MAX_UID_LENGTH and _UID.fullmatch(text) is not None


def has_leading_zeros(uid: str) -> bool:
    """Whether a component of a checked UID has a leading zero."""
    return _LEADING_ZERO.search(uid) is not None


def checked_uid(text: str | None, attribute: str) -> str:
    """`text` without its padding, when it is a UID.

    Raises:
        CannotUnderstand: missing or not a UID; the message names `attribute`, never the value.
    """
    uid = (text or "").strip(" \0")
    if not uid:
        raise CannotUnderstand(f"{attribute} is missing")
    if not is_uid(uid):
        raise CannotUnderstand(
            f"{attribute} is not a UID (digits and dots, at most {MAX_UID_LENGTH} characters)"
        )
    return uid


def uid_name(uid: str) -> str:
    """The registered name of a checked UID, or the UID itself when it has none."""
    return UID(uid).name
