"""An index is built anew beside searches, and whatever was broken off is cleared away."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import OperationalError

from service.encoders.partitions import index_name
from service.encoders.registry import ActiveEncoder
from service.errors import Unavailable
from service.search.similar import Query, similar
from service.settings import DatabaseSettings, ReindexSettings, Settings
from service.tuning.index_build import planned_build
from service.verifying import rebuilding
from service.verifying.indexes import TableIndex, find_index_faults, list_indexes
from service.verifying.rebuilding import rebuild
from tests.support.galleries import clustered_instances, fill
from tests.support.waiting import eventually

MADE = clustered_instances(40, 25)


@pytest.fixture
def filled(engine: Engine, encoder: ActiveEncoder) -> ActiveEncoder:
    fill(engine, MADE, encoder)
    return encoder


def is_sound(engine: Engine, encoder: ActiveEncoder) -> bool:
    with engine.connect() as connection:
        return not find_index_faults(connection, encoder)


def test_it_keeps_its_name_and_serves(
    engine: Engine, filled: ActiveEncoder, settings: Settings
) -> None:
    phases = []
    built = rebuild(engine, settings, lambda phase, done, total: phases.append(phase))
    assert (built.index, built.encoder) == (index_name(filled.encoder_id), filled.name)
    assert built.bytes_after > 0
    assert built.dropped == ()
    assert is_sound(engine, filled)
    with engine.connect() as connection:
        answer = similar(connection, Query(MADE[0].sop_instance_uid))
    assert (answer.method, len(answer.neighbours)) == ("hnsw", 5)


def test_a_missing_index_is_made(engine: Engine, filled: ActiveEncoder, settings: Settings) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"DROP INDEX {index_name(filled.encoder_id)}"))
    assert not is_sound(engine, filled)
    assert rebuild(engine, settings).bytes_before == 0
    assert is_sound(engine, filled)


def test_what_is_broken_off_is_cleared_away_by_the_next(
    engine: Engine, filled: ActiveEncoder, settings: Settings
) -> None:
    with ThreadPoolExecutor(1) as executor, engine.connect() as reading:
        # A reader that does not end: the build waits for it, and is ended meanwhile.
        reading.execute(text(f"SELECT count(*) FROM {filled.partition}"))
        before = len(indexes(engine, filled))
        building = executor.submit(rebuild, engine, settings)
        eventually(lambda: len(indexes(engine, filled)) > before, "the new index is there")
        eventually(lambda: ended(engine) or building.done(), "the build is ended")
        with pytest.raises(OperationalError):
            building.result()
    assert not is_sound(engine, filled)
    built = rebuild(engine, settings)
    assert len(built.dropped) == 1
    assert built.dropped[0].endswith("_ccnew")
    assert is_sound(engine, filled)


def built_with(engine: Engine, settings: Settings, processes: int | None = None) -> tuple[str, str]:
    """What the session that builds is set to: maintenance_work_mem and parallel workers."""
    seen: list[tuple[str, str]] = []

    def look(connection: Connection, cursor: object, statement: str, *others: object) -> None:
        if statement.startswith("REINDEX"):
            own = connection.connection.cursor()
            own.execute(
                "SELECT current_setting('maintenance_work_mem'),"
                " current_setting('max_parallel_maintenance_workers')"
            )
            seen.append(own.fetchone())
            own.close()

    event.listen(engine, "before_cursor_execute", look)
    try:
        rebuild(engine, settings, processes=processes)
    finally:
        event.remove(engine, "before_cursor_execute", look)
    (found,) = seen
    return found


def test_on_the_embedded_server_it_takes_what_the_graph_needs(
    engine: Engine, filled: ActiveEncoder, settings: Settings
) -> None:
    embedded = settings.model_copy(update={"database": DatabaseSettings()})
    planned = planned_build(len(MADE), filled, embedded)
    assert built_with(engine, embedded) == ("64MB", str(planned.workers))
    assert built_with(engine, embedded, 0) == ("64MB", "0")


def test_what_an_administrator_says_has_the_last_word(
    engine: Engine, filled: ActiveEncoder, settings: Settings
) -> None:
    said = {"reindex": ReindexSettings(index_memory_mb=33)}
    assert built_with(engine, settings.model_copy(update=said), 1) == ("33MB", "1")
    embedded = settings.model_copy(update={"database": DatabaseSettings(), **said})
    assert built_with(engine, embedded, 0) == ("33MB", "0")


def test_of_another_server_nothing_is_presumed(
    engine: Engine, filled: ActiveEncoder, settings: Settings
) -> None:
    with engine.connect() as connection:
        usual = [
            connection.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("maintenance_work_mem", "max_parallel_maintenance_workers")
        ]
    assert list(built_with(engine, settings)) == usual


def indexes(engine: Engine, encoder: ActiveEncoder) -> list[TableIndex]:
    with engine.connect() as connection:
        return list_indexes(connection, encoder.partition)


def ended(engine: Engine) -> bool:
    """End the session that builds, as a server that is killed would."""
    statement = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE 'REINDEX%'"
    )
    with engine.connect() as connection:
        return bool(connection.execute(statement).all())


def test_one_rebuild_at_a_time(engine: Engine, filled: ActiveEncoder, settings: Settings) -> None:
    with engine.connect() as connection:
        connection.execute(rebuilding._TRY_LOCK)
        with pytest.raises(Unavailable, match="running already"):
            rebuild(engine, settings)
    # A pooled session keeps its lock until it ends.
    engine.dispose()


def test_there_must_be_an_encoder(engine: Engine, settings: Settings) -> None:
    with pytest.raises(Unavailable, match="No encoder is active"):
        rebuild(engine, settings)
