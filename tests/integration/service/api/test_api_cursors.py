"""Cursors over HTTP: 409 for one of another encoder, 422 for whatever is no cursor."""

from dataclasses import replace

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from service.search.cursor import write_cursor
from service.search.found import Position
from tests.integration.service.api.conftest import Filled
from tests.support.garbling import garbled
from tests.support.serving import problem_of

PATH = "/v1/instances/8.10/similar"


def stale_cursor(filled: Filled) -> str:
    """A cursor as the encoder before gave it."""
    before = replace(filled.encoder, encoder_id=filled.encoder.encoder_id + 1)
    return write_cursor(before, {}, Position(5, 0.5, "8.1", 1))


def ask(filled: Filled, cursor: str) -> httpx.Response:
    return filled.client.get(PATH, params={"cursor": cursor})


def test_a_cursor_of_another_encoder_is_stale(filled: Filled) -> None:
    assert "ask again without the cursor" in problem_of(ask(filled, stale_cursor(filled)), 409)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_is_no_cursor_is_an_invalid_parameter_and_never_stale(
    filled: Filled, data: st.DataObject
) -> None:
    given_ = filled.client.get(PATH).json()["next_cursor"]
    whole = data.draw(st.sampled_from([given_, stale_cursor(filled)]))
    assert "cursor" in problem_of(ask(filled, data.draw(garbled(whole))), 422)


def test_a_part_of_a_cursor_is_told_what_to_do(filled: Filled) -> None:
    cursor = filled.client.get(PATH).json()["next_cursor"]
    assert "all of it" in problem_of(ask(filled, cursor[:-1]), 422)
    assert ask(filled, cursor).status_code == 200
