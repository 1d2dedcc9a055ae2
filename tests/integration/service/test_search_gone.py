"""Searches whose query, or whose connection, goes away in the middle."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from service.encoders.registry import ActiveEncoder
from service.errors import InstanceUnknown
from service.hashing.filling import make_codes
from service.hashing.search import hashed_nearest
from service.search import direct, walking
from service.search.filters import EVERYTHING
from service.search.found import Position
from service.search.nearest import nearest
from service.search.similar import Query, similar
from service.search.target import EmbeddedSlice, Target, find_slice
from service.settings import Settings
from tests.support.galleries import clustered_instances, fill

QUERY = "1.2.826.3.0.0"
PLACE = Position(3, 0.1, "1", 1)


def delete(engine: Engine, embedded: EmbeddedSlice) -> None:
    gone = text("DELETE FROM instance WHERE instance_id = :instance_id")
    with engine.begin() as connection:
        connection.execute(gone, {"instance_id": embedded.instance_id})


@pytest.mark.parametrize("patients", [3, 40])
@pytest.mark.parametrize(
    "how", [{}, {"exact": True}, {"collapse": "patient"}, {"after": PLACE, "collapse": "series"}]
)
def test_a_query_that_is_deleted_meanwhile_is_no_empty_answer(
    engine: Engine, encoder: ActiveEncoder, how: dict[str, Any], patients: int
) -> None:
    fill(engine, clustered_instances(patients, 20), encoder)
    with engine.connect() as connection:
        active, embedded = find_slice(connection, QUERY, 1)
        delete(engine, embedded)
        with pytest.raises(InstanceUnknown, match="deleted a moment ago"):
            nearest(connection, active, Target.of(embedded), EVERYTHING, k=5, **how)


def test_nor_by_codes(engine: Engine, encoder: ActiveEncoder, settings: Settings) -> None:
    fill(engine, clustered_instances(12, 6), encoder)
    make_codes(engine, settings, 64)
    with engine.connect() as connection:
        active, embedded = find_slice(connection, QUERY, 1)
        delete(engine, embedded)
        with pytest.raises(InstanceUnknown, match="deleted a moment ago"):
            hashed_nearest(connection, active, Target.of(embedded), EVERYTHING, k=5)


def ended_before(engine: Engine, pid: int, then: Callable[..., Any]) -> Callable[..., Any]:
    def end(*given: Any, **named: Any) -> Any:
        with engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})
        return then(*given, **named)

    return end


@pytest.mark.parametrize(
    ("asked_before", "step"),
    [(False, (walking, "_plan_as_usual")), (True, (direct, "fetch_alone"))],
)
def test_a_server_that_goes_in_the_middle_is_one_that_is_away(
    engine: Engine,
    encoder: ActiveEncoder,
    monkeypatch: pytest.MonkeyPatch,
    asked_before: bool,
    step: tuple[Any, str],
) -> None:
    fill(engine, clustered_instances(3, 20), encoder)
    with engine.connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        connection.rollback()
        if asked_before:
            similar(connection, Query(QUERY))
            connection.rollback()
        monkeypatch.setattr(*step, ended_before(engine, pid, getattr(*step)))
        with pytest.raises(OperationalError):
            similar(connection, Query(QUERY))
        connection.invalidate()
    monkeypatch.undo()
    with engine.connect() as connection:
        assert similar(connection, Query(QUERY)).neighbours
