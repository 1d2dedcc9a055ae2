import base64
from uuid import uuid4

import pytest

from service.associations.listing import Position
from service.associations.paging import position_of, token_of
from service.errors import InvalidParameter
from tests.support.association_records import AT


def test_a_token_leads_back_to_its_place() -> None:
    position = Position(AT, uuid4())
    assert position_of(token_of(position)) == position
    assert token_of(position).isascii()


@pytest.mark.parametrize(
    "token",
    ["", "x", "ä", "%00", "=" * 8, "A" * 200]
    + [
        base64.urlsafe_b64encode(text).decode()
        for text in (b"\xff\xfe", b"2024-01-31", b"now " + b"0" * 32, b"2024-01-31 " + b"0" * 32)
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidParameter, match="next_cursor"):
        position_of(token)
