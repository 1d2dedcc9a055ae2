"""What an index leaves out of reach is measured, told, and built anew."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event, text

from service.encoders import partitions
from service.encoders.partitions import create_index, index_name, index_state
from service.encoders.reach import MOST_BUILDS, SAMPLE, Reach, measure_reach
from service.encoders.registry import ActiveEncoder
from service.finding import Finding
from service.metrics import exposition
from service.opening import object_store
from service.reindex.building import build_index, sole_builder
from service.settings import Settings
from service.verifying.canary import run_canary
from service.verifying.examining import examine_recall
from service.verifying.rebuilding import rebuild
from service.verifying.report import Verification
from service.verifying.verify import Extent, verify
from tests.support.encoders import DIMENSION
from tests.support.galleries import MadeInstance, clustered_instances, fill

MADE = clustered_instances(60, 20)


@pytest.fixture
def filled(engine: Engine, encoder: ActiveEncoder) -> ActiveEncoder:
    fill(engine, MADE, encoder)
    return encoder


def measured(engine: Engine, encoder: ActiveEncoder, sample: int = 5000) -> Reach:
    with engine.connect() as connection:
        return measure_reach(connection, encoder, sample)


def spoil(engine: Engine, encoder: ActiveEncoder) -> None:
    """Give the index the fewest links there can be."""
    options(engine, encoder, BAD)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"REINDEX INDEX {index_name(encoder.encoder_id)}")


def mend(engine: Engine, encoder: ActiveEncoder) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP INDEX {index_name(encoder.encoder_id)}")
        create_index(connection, encoder.encoder_id, DIMENSION)


def test_a_good_index_reaches_every_slice(engine: Engine, filled: ActiveEncoder) -> None:
    assert measured(engine, filled) == Reach(len(MADE), 0)
    sampled = measured(engine, filled, 100)
    assert (sampled.lost, sampled.is_good) == (0, True)
    assert sampled.looked == 100


def test_slices_that_no_walk_finds_are_counted(engine: Engine, filled: ActiveEncoder) -> None:
    spoil(engine, filled)
    found = measured(engine, filled)
    assert found.looked == len(MADE)
    assert found.lost > 2
    assert not found.is_good
    assert found.sentence().endswith("`precuneus index rebuild` draws it anew.")
    mend(engine, filled)
    assert measured(engine, filled).lost == 0


def test_each_measurement_looks_elsewhere(engine: Engine, filled: ActiveEncoder) -> None:
    spoil(engine, filled)
    assert len({measured(engine, filled, 100).lost for _ in range(20)}) > 1


def test_equal_slices_reach_one_another(engine: Engine, encoder: ActiveEncoder) -> None:
    made = [
        MadeInstance(f"1.2.7.{n}", patient=n, coordinates=MADE[0].coordinates) for n in range(200)
    ]
    fill(engine, made, encoder)
    assert measured(engine, encoder) == Reach(200, 0)


def test_nothing_is_looked_at_without_an_index(engine: Engine, filled: ActiveEncoder) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"DROP INDEX {index_name(filled.encoder_id)}"))
    assert measured(engine, filled) == Reach(0, 0)


def test_measuring_changes_nothing_of_its_transaction(
    engine: Engine, filled: ActiveEncoder
) -> None:
    shown = text(
        "SELECT current_setting('enable_seqscan'), current_setting('hnsw.ef_search', true)"
    )
    with engine.connect() as connection:
        before = connection.execute(shown).one()
        measure_reach(connection, filled)
        assert connection.execute(shown).one() == before


def find_recall(engine: Engine) -> Finding:
    with engine.connect() as connection:
        found = examine_recall(connection, 300)
    assert found is not None
    return found


def test_verify_tells(engine: Engine, filled: ActiveEncoder, settings: Settings) -> None:
    def found() -> Verification:
        return verify(engine, object_store(settings), settings, Extent(5))

    def kinds() -> list[str]:
        return [fault.kind for fault in found().faults]

    assert found().reach == measured(engine, filled, SAMPLE)
    assert "out of reach" not in kinds()
    spoil(engine, filled)
    assert found().reach == measured(engine, filled, SAMPLE)
    assert "out of reach" in kinds()


def test_the_canary_tells(engine: Engine, filled: ActiveEncoder) -> None:
    spoil(engine, filled)
    reading = run_canary(engine, 300)
    assert reading is not None
    assert reading.out_of_reach > 2
    assert "`precuneus index rebuild`" in reading.sentence()
    share = reading.out_of_reach / reading.looked
    assert f"precuneus_out_of_reach {share}" in exposition(engine).decode()


def test_doctor_says_what_to_do(engine: Engine, filled: ActiveEncoder) -> None:
    reading = run_canary(engine, 300)
    assert reading is not None
    assert find_recall(engine).verdict == "ok"
    noted = {"value": json.dumps(vars(reading) | {"out_of_reach": 50})}
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE installation SET value = :value WHERE name = 'recall_canary'"), noted
        )
    finding = find_recall(engine)
    assert finding.verdict == "note"
    assert finding.facts["out_of_reach"] == 50
    assert "`precuneus index rebuild`" in str(finding.remedy)


@contextmanager
def before_reindex(engine: Engine, change: Callable[[int], None]) -> Iterator[list[int]]:
    """Call `change` before each REINDEX with its number; the numbers there were."""
    seen: list[int] = []

    def look(connection: object, cursor: object, statement: str, *others: object) -> None:
        if statement.startswith("REINDEX"):
            seen.append(len(seen) + 1)
            change(seen[-1])

    event.listen(engine, "before_cursor_execute", look)
    yield seen
    event.remove(engine, "before_cursor_execute", look)


def options(engine: Engine, encoder: ActiveEncoder, said: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER INDEX {index_name(encoder.encoder_id)} SET ({said})")


BAD, GOOD = "m = 2, ef_construction = 4", "m = 24, ef_construction = 600"


@pytest.mark.parametrize(("good_from", "builds"), [(1, 1), (2, 2), (MOST_BUILDS + 1, MOST_BUILDS)])
def test_a_rebuild_goes_on_until_slices_are_in_reach(
    engine: Engine, filled: ActiveEncoder, settings: Settings, good_from: int, builds: int
) -> None:
    options(engine, filled, BAD)

    def change(number: int) -> None:
        if number == good_from:
            options(engine, filled, GOOD)

    phases = []
    with before_reindex(engine, change) as seen:
        built = rebuild(engine, settings, lambda phase, done, total: phases.append(phase))
    assert len(seen) == built.builds == builds
    assert built.reach.is_good == (good_from <= MOST_BUILDS)
    assert phases.count("looking for slices out of reach") == builds
    assert built.reach == measured(engine, filled, SAMPLE)


def test_a_reindex_builds_again_and_then_takes_what_there_is(
    engine: Engine,
    filled: ActiveEncoder,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(partitions, "HNSW_M", 2)
    monkeypatch.setattr(partitions, "HNSW_EF_CONSTRUCTION", 4)
    with engine.begin() as connection:
        connection.execute(text(f"DROP INDEX {index_name(filled.encoder_id)}"))
    with sole_builder(engine) as connection:
        assert connection is not None
        build_index(connection, filled, settings)
        assert index_state(connection, filled.encoder_id) == "valid"
    told = [record for record in caplog.records if "out of the index's reach" in record.message]
    assert len(told) == MOST_BUILDS
