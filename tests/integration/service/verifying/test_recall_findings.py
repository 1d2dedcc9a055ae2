"""The doctor tells what the recall canary found, and when to act on it."""

import json
from time import time

import pytest
from sqlalchemy import Engine, text

from service.encoders.registry import ActiveEncoder
from service.finding import Finding
from service.verifying.canary import read_canary, run_canary
from service.verifying.examining import examine_recall
from tests.support.galleries import clustered_instances, fill

INTERVAL_S = 300.0


@pytest.fixture
def filled(engine: Engine, encoder: ActiveEncoder) -> Engine:
    fill(engine, clustered_instances(8, 5), encoder)
    return engine


def finding(engine: Engine, interval_s: float = INTERVAL_S) -> Finding:
    with engine.connect() as connection:
        found = examine_recall(connection, interval_s)
    assert found is not None
    assert found.remedy or found.verdict == "ok"
    return found


def measured(engine: Engine, **changes: object) -> Finding:
    """What is said after a measurement that came out as `changes` say."""
    with engine.begin() as connection:
        reading = read_canary(connection)
        assert reading is not None
        connection.execute(
            text("UPDATE installation SET value = :value WHERE name = 'recall_canary'"),
            {"value": json.dumps(vars(reading) | changes)},
        )
    return finding(engine)


def test_what_it_found_is_told_in_words_and_in_figures(filled: Engine) -> None:
    assert run_canary(filled, INTERVAL_S) is not None
    found = finding(filled)
    assert found.verdict == "ok"
    assert "1.0000" in found.detail
    assert "Wanted: 0.99" in found.detail
    assert (found.facts["recall"], found.facts["last"], found.facts["wanted"]) == (1.0, 1.0, 0.99)
    assert str(found.facts["measured_at"]).startswith("20")


def test_low_recall_is_wrong_once_searches_are_many(filled: Engine) -> None:
    run_canary(filled, INTERVAL_S)
    few = measured(filled, recall=0.98, last=0.98, queries=[5])
    assert (few.verdict, "index verify" in few.remedy) == ("note", True)
    many = measured(filled, queries=[5] * 40)
    assert (many.verdict, "index rebuild" in many.remedy) == ("wrong", True)
    assert many.facts["searches"] == 200


def test_an_old_reading_is_a_note(filled: Engine) -> None:
    run_canary(filled, INTERVAL_S)
    assert measured(filled, measured_at=time() - 800).verdict == "ok"
    old = measured(filled, measured_at=time() - 3600)
    assert (old.verdict, "too long ago" in old.detail) == ("note", True)
    # One that takes long is made seldom, so an hour is not long ago.
    assert measured(filled, seconds=30.0).verdict == "ok"


def test_one_that_took_too_long_is_a_note(filled: Engine) -> None:
    run_canary(filled, INTERVAL_S)
    found = measured(filled, recall=None, last=None)
    assert (found.verdict, "too long" in found.detail) == ("note", True)


def test_never_measured_is_a_note(filled: Engine) -> None:
    found = finding(filled)
    assert (found.verdict, found.facts["recall"]) == ("note", None)
    assert "never measured" in found.detail
    off = finding(filled, 0)
    assert "RECALL_CANARY_S" in off.remedy


def test_of_another_encoder_it_is_not_told(filled: Engine) -> None:
    run_canary(filled, INTERVAL_S)
    with filled.begin() as connection:
        connection.execute(text("UPDATE encoder SET name = 'another'"))
    assert "never measured for another" in finding(filled).detail


def test_nothing_is_said_where_nothing_can_be_searched(engine: Engine) -> None:
    with engine.connect() as connection:
        assert examine_recall(connection, INTERVAL_S) is None


def test_nor_of_an_empty_gallery(engine: Engine, encoder: ActiveEncoder) -> None:
    with engine.connect() as connection:
        assert examine_recall(connection, INTERVAL_S) is None
