"""An index is built again beside the one that is valid, and only as long as it is wanted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, event, text

from service.encoders import reach
from service.encoders.activation import activate
from service.encoders.partitions import create_index, index_name, index_state
from service.encoders.reach import MOST_BUILDS, Reach
from service.encoders.registry import ActiveEncoder
from service.reindex.building import build_index, sole_builder
from service.reindex.finishing import finish
from service.reindex.planning import cancel
from service.settings import Settings
from service.verifying.indexes import list_indexes
from tests.integration.service.reindex.filling import Filling
from tests.support.galleries import write_embeddings

BAD, GOOD = Reach(2000, 300), Reach(2000, 0)


@pytest.fixture
def filled(filling: Filling) -> Filling:
    """The gallery with all chunks of the other encoder done, and no index."""
    filling.begin(batch_size=30)
    with filling.engine.begin() as connection:
        write_embeddings(connection, filling.other, filling.made, filling.ids)
    while filling.claim(count=30)[1]:
        pass
    return filling


def judge(monkeypatch: pytest.MonkeyPatch, say: Callable[[], Reach]) -> list[Reach]:
    """Let `say` judge each index instead of walks; what it said."""
    said: list[Reach] = []

    def measured(connection: Connection, encoder: ActiveEncoder) -> Reach:
        assert index_state(connection, encoder.encoder_id) == "valid"
        said.append(say())
        return said[-1]

    monkeypatch.setattr(reach, "measure_reach", measured)
    return said


@contextmanager
def watched(engine: Engine, look: Callable[[Connection, str], None]) -> Iterator[list[str]]:
    """Call `look` before each statement on indexes; the statements."""
    seen: list[str] = []

    def before(connection: Connection, cursor: object, statement: str, *others: object) -> None:
        if statement.startswith(("CREATE INDEX", "DROP INDEX", "REINDEX")):
            seen.append(statement)
            look(connection, statement)

    event.listen(engine, "before_cursor_execute", before)
    yield seen
    event.remove(engine, "before_cursor_execute", before)


def built(filled: Filling, settings: Settings, *, is_checked: bool = False) -> int:
    with sole_builder(filled.engine) as connection:
        assert connection is not None
        return build_index(connection, filled.other, settings, is_checked=is_checked)


def state_of(filled: Filling) -> str:
    with filled.engine.connect() as connection:
        return index_state(connection, filled.other.encoder_id)


def make_index(filled: Filling) -> None:
    with filled.engine.begin() as connection:
        create_index(connection, filled.other.encoder_id, filled.other.dimension)


def test_a_valid_index_is_never_dropped(
    filled: Filling, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(monkeypatch, lambda: BAD)

    def look(connection: Connection, statement: str) -> None:
        if statement.startswith("REINDEX INDEX CONCURRENTLY"):
            assert state_of(filled) == "valid"
        elif statement.endswith(f" {index_name(filled.other.encoder_id)}"):
            assert state_of(filled) == "missing"

    with watched(filled.engine, look) as seen:
        assert built(filled, settings) == MOST_BUILDS
    assert len([one for one in seen if one.startswith("REINDEX")]) == MOST_BUILDS - 1
    assert state_of(filled) == "valid"


@pytest.mark.parametrize("end", ["activated", "cancelled"])
def test_a_run_that_ended_meanwhile_builds_no_more(
    filled: Filling, settings: Settings, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    def ended() -> Reach:
        if end == "activated":
            activate(filled.engine, filled.other.name, force=True)
        else:
            cancel(filled.engine)
        return BAD

    said = judge(monkeypatch, ended)
    with watched(filled.engine, lambda connection, statement: None) as seen:
        assert finish(filled.engine, settings) is None
    assert (len(said), any(one.startswith("REINDEX") for one in seen)) == (1, False)
    assert state_of(filled) == "valid"


def test_an_index_that_nobody_looked_at_is(
    filled: Filling, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_index(filled)
    said = judge(monkeypatch, lambda: GOOD)
    assert (built(filled, settings, is_checked=True), len(said)) == (0, 0)
    assert (built(filled, settings), len(said)) == (0, 1)
    said = judge(monkeypatch, lambda: GOOD if said else BAD)
    assert (built(filled, settings), said) == (1, [BAD, GOOD])


def test_a_run_is_taken_up_with_the_look_that_it_lacks(
    filled: Filling, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_index(filled)
    said = judge(monkeypatch, lambda: GOOD)
    with filled.engine.begin() as connection:
        connection.execute(text("UPDATE reindex SET indexed_at = now()"))
    assert finish(filled.engine, settings) is not None
    assert not said
    with filled.engine.begin() as connection:
        connection.execute(text("UPDATE reindex SET indexed_at = NULL, finished_at = NULL"))
    assert finish(filled.engine, settings) is not None
    assert said == [GOOD]


def test_a_build_that_cannot_be_made_again_leaves_the_first(
    filled: Filling, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(monkeypatch, lambda: BAD)
    with filled.engine.connect() as reader:

        def look(connection: Connection, statement: str) -> None:
            if statement.startswith("REINDEX"):
                lock = f"LOCK TABLE {filled.other.partition} IN ROW EXCLUSIVE MODE"
                reader.exec_driver_sql(lock)
                own = connection.connection.cursor()
                own.execute("SET lock_timeout = '200ms'")
                own.close()
            elif statement.endswith("_ccnew"):
                reader.rollback()

        with watched(filled.engine, look) as seen:
            assert built(filled, settings) == 1
    assert [one for one in seen if one.endswith("_ccnew")], "it was broken off"
    assert state_of(filled) == "valid"
    with filled.engine.connect() as connection:
        assert all(index.valid for index in list_indexes(connection, filled.other.partition))
