"""Tokens that continue an answer: where it ended, of which question, and by which encoder.

A token describes itself and is not secret: whoever changes it only reads elsewhere in a ranking
that is open to them anyway.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
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
    content = json.dumps([_named(encoder), _digest(question), *place], separators=(",", ":"))
    return urlsafe_b64encode(content.encode()).decode().rstrip("=")


def read_cursor(encoder: ActiveEncoder, question: dict[str, Any], cursor: str) -> Position:
    """Where the token says to go on.

    Raises:
        InvalidParameter: it is none of ours, or continues another question.
        StaleCursor: another encoder has become the active one since.
    """
    try:
        padded = cursor[:_LONGEST] + "=" * (-len(cursor) % 4)
        content = json.loads(urlsafe_b64decode(padded.encode("ascii")))
        named, digest, rank, distance, sop_instance_uid, frame = content
        position = Position(int(rank), float(distance), str(sop_instance_uid), int(frame))
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidParameter("The cursor is not one that an answer gave.") from None
    if named != _named(encoder):
        raise StaleCursor("The active encoder has changed: ask again without the cursor.")
    if digest != _digest(question):
        raise InvalidParameter("The cursor continues another question: repeat its parameters.")
    if not _is_possible(position):
        raise InvalidParameter("The cursor is not one that an answer gave.")
    return position


def _is_possible(position: Position) -> bool:
    """Whether a slice may stand there; what cannot be a UID must not reach the database."""
    uid = position.sop_instance_uid
    return (
        position.rank >= 1
        and position.distance >= 0
        and 1 <= position.frame <= _LAST_FRAME
        and len(uid) <= _LONGEST_UID
        and uid.isascii()
        and uid.isprintable()
    )


def _named(encoder: ActiveEncoder) -> str:
    return f"{encoder.encoder_id}-{encoder.digest[:_DIGITS]}"


def _digest(question: dict[str, Any]) -> str:
    content = json.dumps(question, sort_keys=True, default=str)
    return sha256(content.encode()).hexdigest()[:_DIGITS]
