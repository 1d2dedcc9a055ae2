"""Slices are drawn evenly over those that there are, whatever their keys."""

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from service.encoders.registry import ActiveEncoder
from service.encoders.spread import evenly_spread
from tests.support.encoders import DIMENSION, unit
from tests.support.galleries import MadeInstance, clustered_instances, fill

MANY_FRAMES = 400


def drawn(
    engine: Engine, encoder: ActiveEncoder, count: int, *, tries: int = 20, start: str = "0"
) -> list[tuple[int, int]]:
    """Instance and frame of each row drawn."""
    columns = "r.instance_id, r.frame"
    statement = evenly_spread(encoder, count, columns, tries=tries, start=start)
    with engine.connect() as connection:
        return [(row.instance_id, row.frame) for row in connection.execute(text(statement))]


def stored(engine: Engine, encoder: ActiveEncoder) -> list[tuple[int, int]]:
    """The same of all, as they lie."""
    statement = f"SELECT instance_id, frame FROM {encoder.partition} ORDER BY ctid"
    with engine.connect() as connection:
        return [(row.instance_id, row.frame) for row in connection.execute(text(statement))]


def shares(
    engine: Engine, encoder: ActiveEncoder, found: list[tuple[int, int]], parts: int
) -> NDArray[np.int64]:
    """How many were drawn of each of `parts` equal parts of the table."""
    place = {key: n for n, key in enumerate(stored(engine, encoder))}
    numbers = [place[key] * parts // len(place) for key in found]
    return np.bincount(numbers, minlength=parts)


def test_frames_count_as_slices_do(engine: Engine, encoder: ActiveEncoder) -> None:
    random = np.random.default_rng(3)
    frames = unit(random.normal(size=(MANY_FRAMES, DIMENSION)))
    wide = MadeInstance("1.2.8", patient=99, coordinates=frames)
    others = clustered_instances(20, 10)
    fill(engine, [*others[:100], wide, *others[100:]], encoder)
    found = drawn(engine, encoder, 120)
    assert len(set(found)) == len(found) == 120
    of_instance = Counter(instance_id for instance_id, _ in found)
    wide_id, most = of_instance.most_common(1)[0]
    assert most == pytest.approx(120 * MANY_FRAMES / 600, abs=6)
    deciles = Counter((frame - 1) // 40 for instance_id, frame in found if instance_id == wide_id)
    assert len(deciles) == 10
    assert max(deciles.values()) <= 3 * min(deciles.values())


@pytest.mark.parametrize("is_vacuumed", [False, True])
def test_a_hole_is_passed_over(engine: Engine, encoder: ActiveEncoder, is_vacuumed: bool) -> None:
    made = clustered_instances(100, 20)
    ids = sorted(fill(engine, made, encoder).values())
    deleted = (
        f"DELETE FROM {encoder.partition} WHERE instance_id BETWEEN {ids[100]} AND {ids[1899]}"
    )
    with engine.begin() as connection:
        connection.exec_driver_sql(deleted)
    if is_vacuumed:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"VACUUM {encoder.partition}")
    found = drawn(engine, encoder, 60)
    assert len(set(found)) == len(found) == 60
    assert shares(engine, encoder, found, 5).tolist() == pytest.approx([12] * 5, abs=4)
    assert sorted(drawn(engine, encoder, 5000)) == sorted(stored(engine, encoder))
    assert len(drawn(engine, encoder, 60, tries=4)) == pytest.approx(24, abs=8)


@pytest.mark.parametrize("count", [1, 7, 64, 100, 333, 1000])
def test_every_part_has_its_share(engine: Engine, encoder: ActiveEncoder, count: int) -> None:
    fill(engine, clustered_instances(57, 21), encoder)
    for start in ("0", "0.37", "0.9999"):
        found = drawn(engine, encoder, count, start=start)
        assert len(set(found)) == len(found) == count
        parts = max(1, count // 10)
        apart = shares(engine, encoder, found, parts) - count / parts
        # Chance would make it about 1.
        assert np.mean(apart**2) / (count / parts) < 0.7


def test_of_fewer_each_comes_once(engine: Engine, encoder: ActiveEncoder) -> None:
    assert drawn(engine, encoder, 100) == []
    fill(engine, clustered_instances(3, 7), encoder)
    assert sorted(drawn(engine, encoder, 21)) == sorted(stored(engine, encoder))
    assert sorted(drawn(engine, encoder, 5000)) == sorted(stored(engine, encoder))


def test_pages_are_read_by_number(engine: Engine, encoder: ActiveEncoder) -> None:
    fill(engine, clustered_instances(50, 20), encoder)
    statement = evenly_spread(encoder, 100, "r.coordinates", tries=4)
    with engine.connect() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = connection.scalars(text(f"EXPLAIN {statement}")).all()
    assert any("Tid Range Scan" in line for line in plan), "\n".join(plan)
