"""The schema up and down, on real databases."""

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from service.db import migrate
from service.db.all_tables import metadata
from service.encoders.registry import register
from tests.support.commands import environment_of
from tests.support.databases import EMPTY, fresh_database
from tests.support.encoders import made_encoder, unit
from tests.support.galleries import MadeInstance, fill

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def empty(cluster_url: str) -> Iterator[Engine]:
    """An engine on a database without a single table."""
    with fresh_database(cluster_url, EMPTY) as url:
        engine = create_engine(url)
        yield engine
        engine.dispose()


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def schema(engine: Engine) -> set[tuple[object, ...]]:
    """Everything that migrations make, as the database describes it."""
    with engine.connect() as connection:
        return {
            tuple(row)
            for statement in (
                "SELECT table_name, column_name, data_type, is_nullable, column_default,"
                " collation_name, is_identity FROM information_schema.columns"
                " WHERE table_schema = 'public'",
                "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
                " FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
                "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
            )
            for row in connection.execute(text(statement))
        }


def revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return migrate.current_revision(connection)


def test_up_down_and_up_again(empty: Engine) -> None:
    assert revision(empty) is None
    migrate.upgrade(empty)
    assert revision(empty) == migrate.head_revision()
    assert tables(empty) == {*metadata.tables, "alembic_version"}
    first = schema(empty)
    migrate.downgrade(empty, "base")
    assert revision(empty) is None
    assert tables(empty) == {"alembic_version"}
    migrate.upgrade(empty)
    assert schema(empty) == first


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(empty: Engine) -> None:
    migrate.upgrade(empty)
    first = schema(empty)
    migrate.upgrade(empty)
    assert schema(empty) == first


def test_processes_that_upgrade_at_once_take_turns(empty: Engine) -> None:
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(migrate.upgrade, empty) for _ in range(4)]:
            done.result()
    assert revision(empty) == migrate.head_revision()


def test_the_tables_are_those_that_the_program_expects(empty: Engine) -> None:
    migrate.upgrade(empty)
    with empty.connect() as connection:
        assert migrate.differences(connection) == []


def test_an_encoders_partition_is_no_difference(empty: Engine) -> None:
    migrate.upgrade(empty)
    with empty.begin() as connection:
        encoder = register(connection, made_encoder())
    assert encoder.partition in tables(empty)
    with empty.connect() as connection:
        assert migrate.differences(connection) == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE instance DROP COLUMN reason",
        "ALTER TABLE instance ADD COLUMN extra int",
        "ALTER TABLE instance ALTER COLUMN frames TYPE bigint",
        "ALTER TABLE series ALTER COLUMN modality DROP NOT NULL",
        "DROP INDEX instance_state_idx",
        "CREATE TABLE stray (n int)",
    ],
)
def test_a_difference_is_found(empty: Engine, statement: str) -> None:
    migrate.upgrade(empty)
    with empty.begin() as connection:
        connection.execute(text(statement))
    with empty.connect() as connection:
        assert migrate.differences(connection)


def test_going_down_removes_partitions_with_what_is_in_them(empty: Engine) -> None:
    migrate.upgrade(empty)
    with empty.begin() as connection:
        encoder = register(connection, made_encoder())
    slices = unit(np.random.default_rng(1).normal(size=(5, 1, encoder.dimension)))
    fill(empty, [MadeInstance(f"1.{n}", coordinates=c) for n, c in enumerate(slices)], encoder)
    migrate.downgrade(empty, "base")
    assert tables(empty) == {"alembic_version"}
    migrate.upgrade(empty)
    with empty.begin() as connection:
        register(connection, made_encoder())


def test_embeddings_learn_what_searches_filter_by(empty: Engine) -> None:
    migrate.upgrade(empty)
    with empty.begin() as connection:
        encoder = register(connection, made_encoder())
    slices = unit(np.random.default_rng(1).normal(size=(5, 1, encoder.dimension)))
    made = [
        MadeInstance(f"1.{n}", patient=n, coordinates=c, patient_sex="F", patient_age_years=n)
        for n, c in enumerate(slices)
    ]
    fill(empty, made, encoder)
    before = schema(empty)
    migrate.downgrade(empty, "0008")
    migrate.upgrade(empty)
    assert schema(empty) == before
    with empty.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT e.series_id = i.series_id AND e.study_id = s.study_id, e.patient_sex,"
                " e.patient_age_years, i.sop_instance_uid FROM embedding e"
                " JOIN instance i USING (instance_id) JOIN series s ON s.series_id = i.series_id"
            )
        )
        assert {tuple(row) for row in rows} == {(True, "F", n, f"1.{n}") for n in range(5)}


def test_a_failed_upgrade_leaves_nothing_half_done(empty: Engine) -> None:
    with empty.begin() as connection:
        # The last table that the first migration makes is there already.
        connection.execute(text("CREATE TABLE embedding_job (n int)"))
    with pytest.raises(Exception, match="embedding_job"):
        migrate.upgrade(empty)
    assert tables(empty) == {"embedding_job"}


def expected_names() -> set[str]:
    """The names that the naming convention gives, without asking a database."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    made: list[CreateTable | CreateIndex] = [CreateTable(t) for t in metadata.tables.values()]
    made += [CreateIndex(index) for table in metadata.tables.values() for index in table.indexes]
    statements = " ".join(str(element.compile(dialect=dialect)) for element in made)
    return set(re.findall(r"(?:CONSTRAINT|INDEX) (\w+)", statements))


def test_names_are_those_of_the_convention(empty: Engine) -> None:
    """So that a later migration can name what it drops, whatever made the database."""
    migrate.upgrade(empty)
    with empty.connect() as connection:
        found = set(
            connection.scalars(
                text(
                    "SELECT conname FROM pg_constraint WHERE contype <> 'n'"
                    " AND connamespace = 'public'::regnamespace"
                    " UNION SELECT indexname FROM pg_indexes WHERE schemaname = 'public'"
                )
            )
        )
    found = {name for name in found if not name.startswith("alembic_version")}
    # A table-wide unique constraint of one column has no CONSTRAINT clause of its own.
    assert expected_names() <= found
    assert {name for name in found if name.rpartition("_")[2] not in _KINDS} == set()


_KINDS = {"pkey", "fkey", "key", "idx", "check"}


def test_alembics_own_command_works_from_the_checkout(cluster_url: str) -> None:
    with fresh_database(cluster_url, EMPTY) as url:
        environment = environment_of({"PRECUNEUS_DATABASE__URL": url})
        for arguments in (["upgrade", "head"], ["check"], ["downgrade", "base"]):
            done = subprocess.run(
                [sys.executable, "-m", "alembic", *arguments],
                cwd=REPOSITORY,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
