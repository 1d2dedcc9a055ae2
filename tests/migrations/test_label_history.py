"""Labels of a gallery that is older than their history: up, and down again."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, create_engine, text

from service.db import migrate
from service.encoders.registry import register
from tests.support.databases import EMPTY, fresh_database
from tests.support.encoders import made_encoder, unit
from tests.support.galleries import MadeInstance, fill

BEFORE = "0008"


@pytest.fixture
def old(cluster_url: str) -> Iterator[Engine]:
    """Two embedded slices of one study with labels, as the schema before had them."""
    with fresh_database(cluster_url, EMPTY) as url:
        engine = create_engine(url)
        # Filled as today and taken back, since what fills a gallery knows today's tables alone.
        migrate.upgrade(engine)
        with engine.begin() as connection:
            encoder = register(connection, made_encoder())
        coordinates = unit(np.random.default_rng(1).normal(size=(2, 1, encoder.dimension)))
        labelled = ("bleed", "glioma", "guess")
        made = [
            MadeInstance(f"1.{n}", patient=1, labels=labelled, coordinates=c)
            for n, c in enumerate(coordinates)
        ]
        fill(engine, made, encoder)
        migrate.downgrade(engine, BEFORE)
        with engine.begin() as connection:
            connection.execute(
                text("""
                INSERT INTO label (sop_instance_uid, study_instance_uid, label, source,
                                   recorded_at) VALUES
                    (NULL, '1.2.826.1.1', 'glioma', 'pathology', '2026-01-02Z'),
                    ('1.0', NULL, 'bleed', 'board', '2026-01-02Z'),
                    ('1.0', NULL, 'bleed', 'Report', '2026-01-02Z'),
                    ('1.0', NULL, 'bleed', 'report', '2026-01-02Z'),
                    ('1.1', NULL, 'bleed', 'import', '2026-01-02Z'),
                    ('1.0', NULL, 'guess', 'AI', '2026-01-02Z'),
                    ('1.1', NULL, 'guess', 'prediction', '2026-01-02Z')""")
            )
        yield engine
        engine.dispose()


def rows(engine: Engine, columns: str) -> set[tuple[Any, ...]]:
    with engine.connect() as connection:
        return {tuple(row) for row in connection.execute(text(f"SELECT {columns} FROM label"))}


def copies(engine: Engine) -> list[list[str]]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT labels FROM embedding ORDER BY instance_id")))


def test_what_was_said_before_keeps_its_source_and_words(old: Engine) -> None:
    migrate.upgrade(old)
    assert rows(old, "coalesce(sop_instance_uid, study_instance_uid), label, source, origin") == {
        ("1.2.826.1.1", "glioma", "pathology", None),
        ("1.0", "bleed", "import", "board"),
        ("1.0", "bleed", "report", "Report"),
        ("1.0", "bleed", "report", None),
        ("1.1", "bleed", "import", None),
        ("1.0", "guess", "prediction", "AI"),
        ("1.1", "guess", "prediction", None),
    }
    assert rows(old, "ended_at, stated_at = recorded_at, code") == {(None, True, None)}
    assert copies(old) == [["bleed", "glioma"], ["bleed", "glioma"]]


def test_going_down_keeps_what_stands(old: Engine) -> None:
    before = rows(old, "sop_instance_uid, study_instance_uid, label, source, recorded_at")
    migrate.upgrade(old)
    with old.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO label (sop_instance_uid, label, source, origin, scheme, code, meaning,
                               ended_at, ended_as) VALUES
                ('1.1', 'cyst', 'report', NULL, '99WARD', '1', 'Cyst', now(), 'withdrawn'),
                ('1.0', 'bleed', 'import', 'pathology', NULL, NULL, NULL, NULL, NULL),
                ('1.0', 'bleed', 'pathology', NULL, '99WARD', '2', 'Bleed', NULL, NULL)""")
        )
    migrate.downgrade(old, BEFORE)
    after = rows(old, "sop_instance_uid, study_instance_uid, label, source, recorded_at")
    assert before < after
    assert {row[:4] for row in after - before} == {("1.0", None, "bleed", "pathology")}
    assert copies(old) == [["bleed", "glioma", "guess"], ["bleed", "glioma", "guess"]]
    migrate.upgrade(old)
    with old.connect() as connection:
        assert migrate.differences(connection) == []
