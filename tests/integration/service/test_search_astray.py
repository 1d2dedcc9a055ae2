"""A walk from coordinates that comes down in the wrong place is never the answer.

Diseases lie in tight balls far from one another, and the graph has links between them only by
chance. The index here has few, so that most walks miss the rare ball.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, text

from service.db.vectors import format_vector
from service.encoders.partitions import create_index, index_name, indexed
from service.encoders.registry import ActiveEncoder
from service.search import landmarks
from service.search.filters import EVERYTHING
from service.search.found import Found
from service.search.nearest import nearest
from service.search.target import Target
from tests.support.encoders import DIMENSION, unit
from tests.support.galleries import MadeInstance, fill

SIZES = (200, 200, 200, 200, 200, 200, 30)
RARE = len(SIZES) - 1
RADIUS = 0.12
BETWEEN_BALLS = 1.0
MOST_BUILDS = 20

Coordinates = NDArray[np.float32]


@dataclass(frozen=True)
class Balls:
    """A gallery of balls, and coordinates without a slice that bare walks look for elsewhere."""

    connection: Connection
    encoder: ActiveEncoder
    missed: list[Coordinates]

    def ask(self, target: Target, *, exact: bool = False) -> Found:
        """The ten nearest."""
        how = {"exact": exact, "explain": True}
        return nearest(self.connection, self.encoder, target, EVERYTHING, k=10, **how)


def ball(number: int, count: int) -> Coordinates:
    random = np.random.default_rng((5, number, count))
    spread = RADIUS / np.sqrt(DIMENSION) * random.normal(size=(count, DIMENSION))
    # No slice of a ball lies nearer to another ball than the others do, so nothing leads there.
    spread[:, : len(SIZES)] = 0
    return unit(np.eye(DIMENSION)[number] + spread)


def misses(connection: Connection, encoder: ActiveEncoder, at: Coordinates) -> bool:
    """Whether what the index itself takes for nearest lies in another ball."""
    held, point = indexed("coordinates", DIMENSION), f"CAST(:at AS vector({DIMENSION}))"
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off; SET LOCAL hnsw.ef_search = 64")
    found = connection.scalar(
        text(
            f"SELECT coordinates <-> {point} FROM {encoder.partition}"
            f" ORDER BY {held} <-> {indexed(point, DIMENSION)} LIMIT 1"
        ),
        {"at": format_vector(at)},
    )
    connection.exec_driver_sql("RESET enable_seqscan")
    return bool(found > BETWEEN_BALLS)


def build(connection: Connection, encoder: ActiveEncoder, links: str) -> None:
    """Build the index anew with other links than usual; none: as it usually is."""
    name = index_name(encoder.encoder_id)
    connection.exec_driver_sql(f"DROP INDEX {name}")
    create_index(connection, encoder.encoder_id, DIMENSION)
    if links:
        connection.exec_driver_sql(f"ALTER INDEX {name} SET ({links}); REINDEX INDEX {name}")


@pytest.fixture
def balls(engine: Engine, encoder: ActiveEncoder) -> Iterator[Balls]:
    made = [
        MadeInstance(f"1.2.{number}.{n}", 100 * number + n // 20, coordinates=row[None])
        for number, count in enumerate(SIZES)
        for n, row in enumerate(ball(number, count))
    ]
    fill(engine, made, encoder)
    with engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        for _ in range(MOST_BUILDS):
            build(connection, encoder, "m = 2, ef_construction = 4")
            missed = [at for at in ball(RARE, 40) if misses(connection, encoder, at)]
            if missed:
                break
        yield Balls(connection, encoder, missed)


@pytest.mark.parametrize("count", [landmarks.LANDMARKS, 5])
def test_a_walk_that_came_down_elsewhere_is_not_believed(
    balls: Balls, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landmarks, "LANDMARKS", count)
    assert balls.missed
    for at in balls.missed:
        found = balls.ask(Target(coordinates=at))
        assert found.method == "exact"
        assert found.neighbours == balls.ask(Target(coordinates=at), exact=True).neighbours
        assert found.neighbours[0].distance < BETWEEN_BALLS
        assert found.explanation is not None
        assert found.explanation.reason.startswith("the walk may have come down far")
        # A longer walk would begin at the same place.
        assert len([s for s in found.explanation.steps if s.name.startswith("walk")]) == 1


def test_an_example_is_a_landmark(balls: Balls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landmarks, "LANDMARKS", 5)
    monkeypatch.setattr(landmarks, "FAR", 10.0)
    lost: list[Coordinates] = []
    for _ in range(MOST_BUILDS):
        asked = [(at, balls.ask(Target(coordinates=at))) for at in ball(RARE, 40)]
        lost = [at for at, found in asked if found.neighbours[0].distance > BETWEEN_BALLS]
        if lost:
            break
        build(balls.connection, balls.encoder, "m = 2, ef_construction = 4")
    assert lost
    for at in lost:
        true = balls.ask(Target(coordinates=at), exact=True).neighbours
        example = (true[-1].instance_id, true[-1].frame)
        found = balls.ask(Target(coordinates=at, without=(example,)))
        assert found.neighbours[:9] == true[:9]


@pytest.mark.parametrize("links", ["m = 4, ef_construction = 16", ""])
def test_between_two_diseases_everything_is_compared(
    balls: Balls, links: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk there finds either; examples lie too far to tell that the other one is missing."""
    monkeypatch.setattr(landmarks, "LANDMARKS", 5)
    build(balls.connection, balls.encoder, links)
    uids = text("SELECT instance_id, 1 FROM instance WHERE sop_instance_uid IN (:one, :other)")
    for number in range(1, 12):
        one, other = number % 6, (number + number // 6 + 1) % 6
        at = unit(ball(one, SIZES[one])[number] + ball(other, SIZES[other])[number])
        named = {"one": f"1.2.{one}.{number}", "other": f"1.2.{other}.{number}"}
        examples = tuple((row[0], row[1]) for row in balls.connection.execute(uids, named))
        found = balls.ask(Target(coordinates=at, without=examples))
        assert (len(examples), found.method) == (2, "exact")
        assert (
            found.neighbours
            == balls.ask(Target(coordinates=at, without=examples), exact=True).neighbours
        )


def test_a_walk_from_a_slices_coordinates_must_find_it(balls: Balls) -> None:
    slices = balls.connection.execute(
        text(f"SELECT instance_id, frame, coordinates FROM {balls.encoder.partition}")
    ).all()
    each = [(_read(row.coordinates), (row.instance_id, row.frame)) for row in slices]
    missed = [(at, own) for at, own in each if misses(balls.connection, balls.encoder, at)]
    assert missed
    for at, own in missed[:10]:
        found = balls.ask(Target(coordinates=at, own=own))
        assert found.method == "exact"
        assert (found.neighbours[0].instance_id, found.neighbours[0].frame) == own


def _read(vector: str) -> Coordinates:
    return np.array(vector.strip("[]").split(","), np.float32)


def test_a_walk_that_came_down_rightly_is_the_answer(balls: Balls) -> None:
    build(balls.connection, balls.encoder, "")
    for number in range(len(SIZES)):
        for at in ball(number, 41)[:5]:
            found = balls.ask(Target(coordinates=at))
            assert found.method == "hnsw"
            assert found.neighbours == balls.ask(Target(coordinates=at), exact=True).neighbours
