"""The token that says where a page of the record ended; its form is nobody's business."""

import base64
import binascii
from datetime import datetime
from uuid import UUID

from service.associations.listing import Position
from service.errors import InvalidParameter


def token_of(position: Position) -> str:
    """The token of a place, fit for a URL."""
    text = f"{position.started_at.isoformat()} {position.association_id.hex}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position_of(token: str) -> Position:
    """The place of a token.

    Raises:
        InvalidParameter: it is none of ours.
    """
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        started_at, _, association_id = base64.urlsafe_b64decode(padded).decode().partition(" ")
        position = Position(datetime.fromisoformat(started_at), UUID(association_id))
    except (ValueError, binascii.Error):
        position = None
    if position is None or position.started_at.tzinfo is None:
        raise InvalidParameter("cursor: take it as `next_cursor` of the page before has it.")
    return position
