"""What counts as a neighbour found, and that lost ones are counted."""

from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine

from service.encoders.registry import ActiveEncoder
from service.search.found import Found, Neighbour
from service.search.nearest import nearest
from service.verifying import recall
from service.verifying.recall import count_right, measure_recall
from tests.support.galleries import clustered_instances, fill


def at(*distances: float) -> list[Neighbour]:
    return [
        Neighbour(n, f"1.{n}", 1, "2", "3", "CT", distance, [], n, UUID(int=1), 1, 1)
        for n, distance in enumerate(distances, start=1)
    ]


def test_a_neighbour_as_near_as_the_last_true_one_counts() -> None:
    true = at(0.1, 0.2, 0.2)
    assert count_right(at(0.1, 0.2, 0.2), true) == 3
    assert count_right(at(0.1, 0.2, 0.3), true) == 2
    assert count_right([], true) == 0


def test_what_the_index_loses_is_counted(
    engine: Engine, encoder: ActiveEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(engine, clustered_instances(8, 5), encoder)

    def losing(connection: Connection, *arguments: object, **options: object) -> Found:
        """A search whose index lost the nearest neighbour of everything."""
        found = nearest(connection, *arguments, **options)  # type: ignore[arg-type]
        if options.get("exact"):
            return found
        return Found(found.neighbours[1:], found.method, found.complete)

    monkeypatch.setattr(recall, "nearest", losing)
    with engine.connect() as connection:
        found = measure_recall(connection, encoder, 5)
    assert found is not None
    assert (found.mean, found.worst, found.lost) == (0.9, 0.9, found.queries)
