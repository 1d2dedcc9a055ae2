import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.encoders.registry import ActiveEncoder
from service.errors import InvalidParameter, StaleCursor
from service.search.cursor import read_cursor, write_cursor
from service.search.found import Position
from tests.support.garbling import garbled

ENCODER = ActiveEncoder(3, "ab" * 32, "made", 24)
OTHER = replace(ENCODER, encoder_id=4)
QUESTION = {"sop_instance_uid": "1.2", "filters": {"modality": ("MR",)}}
PLACE = Position(25, 0.12345678901234567, "1.2.3", 2)


def token(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


@given(st.integers(1, 500), st.floats(0, 2), st.integers(1, 10**6))
def test_a_place_comes_back_as_it_was(rank: int, distance: float, frame: int) -> None:
    place = Position(rank, distance, "1.2.3", frame)
    assert read_cursor(ENCODER, QUESTION, write_cursor(ENCODER, QUESTION, place)) == place


def test_a_token_fits_into_a_url_and_tells_no_description() -> None:
    written = write_cursor(ENCODER, {"filters": {"series_description": "Nobody"}}, PLACE)
    assert set(written) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert len(written) < 300
    assert b"Nobody" not in base64.urlsafe_b64decode(written + "==")


@pytest.mark.parametrize("other", [OTHER, replace(ENCODER, digest="c")])
def test_another_encoder_refuses_it(other: ActiveEncoder) -> None:
    with pytest.raises(StaleCursor, match="ask again"):
        read_cursor(other, QUESTION, write_cursor(ENCODER, QUESTION, PLACE))
    assert StaleCursor.http_status == 409


def test_another_question_refuses_it() -> None:
    with pytest.raises(InvalidParameter, match="another question"):
        read_cursor(ENCODER, QUESTION | {"frame": 2}, write_cursor(ENCODER, QUESTION, PLACE))


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "x", "====", "\x00", "ä", "A" * 3000),
        *(token(content) for content in (None, 7, [], {}, ["a"] * 5, [[]] * 6, "abcdef")),
        token(["3-" + "ab" * 8, "0" * 16, "one", 0.5, "1.2", 1]),
        # Of another encoder, but without the checksum that an answer gives.
        token(["4-" + "ab" * 8, "0" * 16, 1, 0.5, "1.2", 1]),
        token([[1]] * 20_000),
    ],
)
def test_what_is_no_token_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidParameter, match="cursor"):
        read_cursor(ENCODER, QUESTION, cursor)


@pytest.mark.parametrize(
    "place",
    [
        replace(PLACE, rank=0),
        *(replace(PLACE, distance=distance) for distance in (-0.1, float("nan"), float("inf"))),
        *(
            replace(PLACE, sop_instance_uid=uid)
            for uid in ("1.2\x00", "1.2\ud800", "1.é", "1" * 65)
        ),
        *(replace(PLACE, frame=frame) for frame in (0, 2**31)),
    ],
)
@pytest.mark.parametrize("asked_of", [ENCODER, OTHER])
def test_a_place_that_no_answer_has_is_refused(place: Position, asked_of: ActiveEncoder) -> None:
    with pytest.raises(InvalidParameter, match="cursor"):
        read_cursor(asked_of, QUESTION, write_cursor(ENCODER, QUESTION, place))


@given(garbled(write_cursor(OTHER, QUESTION, PLACE)))
def test_a_garbled_token_is_never_taken_for_a_stale_one(cursor: str) -> None:
    with pytest.raises(InvalidParameter, match="not one that an answer gave"):
        read_cursor(ENCODER, QUESTION, cursor)


@given(garbled(write_cursor(ENCODER, QUESTION, PLACE)))
def test_a_garbled_token_leads_nowhere(cursor: str) -> None:
    with pytest.raises(InvalidParameter, match="not one that an answer gave"):
        read_cursor(ENCODER, QUESTION, cursor)
