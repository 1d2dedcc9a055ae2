"""Slices nearer to one another than the index, which rounds to half precision, can tell."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine

from service.encoders.registry import ActiveEncoder
from service.search.similar import Query, similar
from tests.support.encoders import DIMENSION, unit
from tests.support.galleries import MadeInstance, clustered_instances, fill

ALIKE = 600


def alike(spacing: float) -> list[MadeInstance]:
    """Slices of 300 patients around one point, so far from one another."""
    random = np.random.default_rng(3)
    middle = random.normal(size=(1, DIMENSION))
    middle /= np.linalg.norm(middle)
    noise = random.normal(size=(ALIKE, DIMENSION)) * spacing / np.sqrt(2 * DIMENSION)
    coordinates = unit(middle + noise)
    return [
        MadeInstance(f"1.2.826.9.{n}", patient=1000 + n // 2, coordinates=coordinates[n : n + 1])
        for n in range(ALIKE)
    ]


@pytest.mark.parametrize("spacing", [1e-5, 1e-4, 4e-4, 1.4e-3, 4e-3])
def test_the_nearest_are_found_among_them(
    engine: Engine, encoder: ActiveEncoder, spacing: float
) -> None:
    fill(engine, [*clustered_instances(40, 20), *alike(spacing)], encoder)
    for number in range(0, ALIKE, 24):
        query = Query(f"1.2.826.9.{number}", k=5)
        with engine.connect() as connection:
            found = similar(connection, query)
            connection.rollback()
            right = similar(connection, replace(query, exact=True))
        assert found.neighbours == right.neighbours


def test_and_where_half_precision_holds_hardly_a_digit(
    engine: Engine, encoder: ActiveEncoder
) -> None:
    random = np.random.default_rng(7)
    middle = 6e-8 * random.normal(size=DIMENSION)
    around = middle + 7.5e-9 * random.normal(size=(ALIKE, 1, DIMENSION))
    coordinates = np.asarray(around, np.float32)
    small = [
        MadeInstance(f"1.2.826.9.{n}", patient=n // 2, coordinates=of_one)
        for n, of_one in enumerate(coordinates)
    ]
    fill(engine, small, encoder)
    for number in range(0, ALIKE, 24):
        query = Query(f"1.2.826.9.{number}", k=3)
        with engine.connect() as connection:
            found = similar(connection, query)
            connection.rollback()
            right = similar(connection, replace(query, exact=True))
        assert found.neighbours == right.neighbours
