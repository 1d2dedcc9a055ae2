"""Tokens that continue an answer: where it ended, of which question, and by which encoder.

A token describes itself and is not secret: whoever makes one up only reads elsewhere in a ranking
that is open to them anyway. Its checksum tells one that was garbled on its way from one that was
given in earnest and has become stale.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from math import isfinite
from typing import Any

from service.encoders.registry import ActiveEncoder
from service.errors import InvalidParameter, StaleCursor
from service.search.found import Position

_LONGEST = 2000
_DIGITS = 16
_LONGEST_UID = 64
_LAST_FRAME = 2**31 - 1


def write_cursor(encoder: ActiveEncoder, question: dict[str, Any], position: Position) -> str:
    """The token that continues the answer to `question` (its plain facts) after `position`."""
    place = [position.rank, position.distance, position.sop_instance_uid, position.frame]
    return _encoded([_named(encoder), _digest(question), *place])


def read_cursor(encoder: ActiveEncoder, question: dict[str, Any], cursor: str) -> Position:
    """Where the token says to go on.

    Raises:
        InvalidParameter: it is none of ours, was garbled, or continues another question.
        StaleCursor: another encoder has become the active one since.
    """
    try:
        named, digest, rank, distance, sop_instance_uid, frame = _decoded(cursor)
        position = Position(int(rank), float(distance), str(sop_instance_uid), int(frame))
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise _none_of_ours() from None
    if not _is_possible(position):
        raise _none_of_ours()
    if named != _named(encoder):
        raise StaleCursor("The active encoder has changed: ask again without the cursor.")
    if digest != _digest(question):
        raise InvalidParameter("The cursor continues another question: repeat its parameters.")
    return position


def _none_of_ours() -> InvalidParameter:
    return InvalidParameter(
        "The cursor is not one that an answer gave: take next_cursor as it is, all of it, or ask "
        "again without."
    )


def _encoded(content: list[Any]) -> str:
    facts = json.dumps(content, separators=(",", ":"))
    checked = f"{_checksum(facts)}{facts}"
    return urlsafe_b64encode(checked.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> Any:
    """What a token says.

    Raises:
        ValueError, RecursionError: it is none, or not as it was given.
    """
    if len(cursor) > _LONGEST:
        raise ValueError
    padded = cursor + "=" * (-len(cursor) % 4)
    checked = urlsafe_b64decode(padded.encode("ascii"))
    # The decoder passes over what is no base64, and over bits that fill up the last character.
    if urlsafe_b64encode(checked).decode().rstrip("=") != cursor:
        raise ValueError
    text = checked.decode()
    if text[:_DIGITS] != _checksum(text[_DIGITS:]):
        raise ValueError
    return json.loads(text[_DIGITS:])


def _checksum(facts: str) -> str:
    return sha256(facts.encode()).hexdigest()[:_DIGITS]


def _is_possible(position: Position) -> bool:
    """Whether a slice may stand there; what cannot be a UID must not reach the database."""
    uid = position.sop_instance_uid
    return (
        position.rank >= 1
        and position.distance >= 0
        and isfinite(position.distance)
        and 1 <= position.frame <= _LAST_FRAME
        and len(uid) <= _LONGEST_UID
        and uid.isascii()
        and uid.isprintable()
    )


def _named(encoder: ActiveEncoder) -> str:
    return f"{encoder.encoder_id}-{encoder.digest[:_DIGITS]}"


def _digest(question: dict[str, Any]) -> str:
    return _checksum(json.dumps(question, sort_keys=True, default=str))
