"""The recall canary measures when it is time, remembers, and is cheap to read."""

import json

import pytest
from sqlalchemy import Connection, Engine, text

from service.doctor import examine
from service.encoders.reach import Reach
from service.encoders.registry import ActiveEncoder
from service.housekeeping.keeper import Housekeeping
from service.metrics import exposition
from service.settings import Settings
from service.verifying import canary
from service.verifying.canary import read_canary, run_canary
from service.verifying.recall import draw_slices
from tests.support.galleries import clustered_instances, fill
from tests.support.waiting import eventually


@pytest.fixture
def filled(engine: Engine, encoder: ActiveEncoder) -> Engine:
    fill(engine, clustered_instances(8, 5), encoder)
    return engine


def test_it_measures_once_in_its_interval(filled: Engine) -> None:
    reading = run_canary(filled, 300)
    assert reading is not None
    assert (reading.recall, reading.last, reading.lost) == (1.0, 1.0, (0,))
    assert 1 <= reading.queries[0] <= 5
    assert run_canary(filled, 300) is None
    again = run_canary(filled, 0.0)
    assert again is None or len(again.lost) == 2
    with filled.connect() as connection:
        assert read_canary(connection) == (again or reading)


def test_a_slow_measurement_is_made_seldom(filled: Engine) -> None:
    reading = run_canary(filled, 1)
    assert reading is not None
    slow = vars(reading) | {"seconds": 30.0, "measured_at": reading.measured_at - 600}
    with filled.begin() as connection:
        connection.execute(
            text("UPDATE installation SET value = :value WHERE name = 'recall_canary'"),
            {"value": json.dumps(slow)},
        )
    assert run_canary(filled, 1) is None


def test_recall_is_told_though_reach_takes_too_long(
    filled: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(connection: Connection, encoder: ActiveEncoder, looked: int) -> Reach:
        connection.exec_driver_sql("SET LOCAL statement_timeout = '50ms'")
        connection.exec_driver_sql("SELECT pg_sleep(60)")
        return Reach(looked, 0)

    monkeypatch.setattr(canary, "measure_reach", slow)
    reading = run_canary(filled, 300)
    assert reading is not None
    assert (reading.recall, reading.looked) == (1.0, 0)
    assert "took too long" not in reading.sentence()
    (found,) = (each for each in examine(settings) if each.subject == "recall")
    assert (found.facts["recall"], found.facts["last"]) == (1.0, 1.0)
    assert (found.facts["looked"], found.facts["out_of_reach"]) == (None, None)
    assert b"precuneus_out_of_reach" not in exposition(filled)


def test_one_process_measures_at_a_time(filled: Engine) -> None:
    with filled.begin() as connection:
        lock = "SELECT pg_advisory_xact_lock(hashtext('precuneus recall canary'))"
        connection.execute(text(lock))
        assert run_canary(filled, 1) is None
    assert run_canary(filled, 1) is not None


def test_nothing_is_said_of_an_empty_gallery(engine: Engine, encoder: ActiveEncoder) -> None:
    assert run_canary(engine, 1) is None
    assert b"recall_canary" not in exposition(engine)


def test_a_scrape_tells_of_recall_and_its_age(filled: Engine) -> None:
    run_canary(filled, 1)
    lines = exposition(filled).decode().splitlines()
    values = dict(line.split(" ") for line in lines if not line.startswith("#"))
    assert float(values["precuneus_recall_canary"]) == 1.0
    assert float(values["precuneus_recall_canary_last"]) == 1.0
    assert 0 <= float(values["precuneus_recall_canary_age_seconds"]) < 100


NONSENSE = {
    "no JSON": "DOE^JANE",
    "a list": "[1, 2]",
    "nothing in it": "{}",
    "more in it": '{"encoder": "e", "more": 1}',
    "text for figures": {"recall": "high", "queries": ["many"]},
    "no list": {"lost": 3},
    "no number": {"recall": float("nan")},
    "beyond all dates": {"measured_at": 1e99},
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_told_and_measured_anew(filled: Engine, settings: Settings, kind: str) -> None:
    reading, nonsense = run_canary(filled, 300), NONSENSE[kind]
    assert reading is not None
    value = nonsense if isinstance(nonsense, str) else json.dumps(vars(reading) | nonsense)
    with filled.begin() as connection:
        connection.execute(
            text("UPDATE installation SET value = :value WHERE name = 'recall_canary'"),
            {"value": value},
        )
    (found,) = (each for each in examine(settings) if each.subject == "recall")
    assert (found.verdict, "recall_canary cannot be read" in found.detail) == ("note", True)
    lines = exposition(filled).decode().splitlines()
    assert 'precuneus_unreadable_notes{note="recall_canary"} 1.0' in lines
    assert any(line.startswith("precuneus_instances{") for line in lines)
    assert run_canary(filled, 300) is not None
    assert b'note="recall_canary"' not in exposition(filled)


def test_another_encoder_begins_anew(filled: Engine) -> None:
    run_canary(filled, 1)
    with filled.begin() as connection:
        connection.execute(text("UPDATE encoder SET name = 'another'"))
    reading = run_canary(filled, 300)
    assert reading is not None
    assert (reading.encoder, len(reading.lost)) == ("another", 1)


def test_the_node_s_housekeeping_runs_it(filled: Engine, settings: Settings) -> None:
    housekeeping = Housekeeping(settings, filled)
    housekeeping.start()

    def has_sung() -> bool:
        with filled.connect() as connection:
            return read_canary(connection) is not None

    try:
        eventually(has_sung, "the canary has sung")
    finally:
        housekeeping.stop()


def test_slices_are_drawn_without_repeats(filled: Engine, encoder: ActiveEncoder) -> None:
    with filled.connect() as connection:
        drawn = draw_slices(connection, encoder, 200)
        assert 10 < len(drawn) == len({(slice_.instance_id, slice_.frame) for slice_ in drawn})
