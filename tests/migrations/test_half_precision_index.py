"""Indexes of galleries that were filled before they held half precision."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, text

from service.db import migrate
from service.encoders.registry import register
from service.search.similar import Query, similar
from tests.support.databases import EMPTY, fresh_database
from tests.support.encoders import made_encoder
from tests.support.galleries import clustered_instances, fill
from tests.support.projected import wide_encoder
from tests.support.search_galleries import make_slices

QUERY = Query("1.2.826.3.0.0", k=7)


@pytest.fixture
def engine(cluster_url: str) -> Iterator[Engine]:
    """An engine on a gallery of two dozen patients."""
    with fresh_database(cluster_url, EMPTY) as url:
        opened = create_engine(url)
        migrate.upgrade(opened)
        yield opened
        opened.dispose()


def indexes(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        found = "SELECT indexdef FROM pg_indexes WHERE indexdef LIKE '%USING hnsw%'"
        return list(connection.scalars(text(found)))


def test_they_are_built_anew_and_found_by_searches(engine: Engine) -> None:
    with engine.begin() as connection:
        encoder = register(connection, made_encoder())
    fill(engine, clustered_instances(24, 20), encoder)
    now = indexes(engine)
    migrate.downgrade(engine, "0013")
    (before,) = indexes(engine)
    assert "vector_l2_ops" in before
    assert "halfvec" not in before
    migrate.upgrade(engine)
    assert indexes(engine) == now
    assert "halfvec_l2_ops" in now[0]
    with engine.connect() as connection:
        assert similar(connection, QUERY).method == "hnsw"


def test_an_index_of_a_part_of_the_coordinates_stays(engine: Engine) -> None:
    with engine.begin() as connection:
        register(connection, wide_encoder(make_slices(patients=50)))
    now = indexes(engine)
    migrate.downgrade(engine, "0013")
    assert indexes(engine) == now
    assert "subvector" in now[0]
