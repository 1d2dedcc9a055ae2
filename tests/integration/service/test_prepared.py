from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from service.db.prepared import fetch_alone, fetch_prepared, run_prepared

STATEMENT = "SELECT :number + 1 AS next, CAST(:key AS uuid) = :key AS same, 'a::b' AS kept"


def plans(connection: object) -> int:
    counted = text("SELECT count(*) FROM pg_prepared_statements")
    return int(connection.execute(counted).scalar_one())  # type: ignore[attr-defined]


def test_a_statement_is_planned_once_and_its_values_are_bound(engine: Engine) -> None:
    with engine.connect() as connection:
        for number in (1, 2, 3):
            values = {"number": number, "key": UUID(int=number), "unused": object()}
            row = run_prepared(connection, STATEMENT, values).one()
            assert tuple(row) == (number + 1, True, "a::b")
        assert plans(connection) == 1


def test_settings_hold_until_the_transaction_ends(engine: Engine) -> None:
    statement = "SELECT current_setting('work_mem')"
    with engine.connect() as connection:
        settings = "SET LOCAL work_mem = '77MB';"
        assert run_prepared(connection, statement, {}, settings).scalar_one() == "77MB"
        connection.rollback()
        assert run_prepared(connection, statement, {}).scalar_one() != "77MB"


def test_a_connection_keeps_a_bounded_number_of_plans(engine: Engine) -> None:
    with engine.connect() as connection:
        found = [
            run_prepared(connection, f"SELECT {n} + :number", {"number": 1}).scalar_one()
            for n in range(50)
        ]
        assert found == list(range(1, 51))
        assert 0 < plans(connection) <= 32


@pytest.mark.parametrize(
    "change",
    ["DEALLOCATE ALL", "ALTER TABLE encoder ALTER COLUMN name TYPE varchar(99)"],
)
def test_a_plan_that_is_of_no_use_any_more_is_made_anew(engine: Engine, change: str) -> None:
    statement = "SELECT name FROM encoder WHERE :number > 0"
    with engine.connect() as connection:
        assert fetch_alone(connection, statement, {"number": 1}, "") == []
        connection.execute(text(change))
        connection.commit()
        assert fetch_alone(connection, statement, {"number": 1}, "") == []


def test_in_a_transaction_the_next_connection_has_no_such_plan(engine: Engine) -> None:
    statement = "SELECT :number + 1 AS next"
    with engine.connect() as connection:
        fetch_prepared(connection, statement, {"number": 1})
        connection.execute(text("DEALLOCATE ALL"))
        with pytest.raises(DBAPIError):
            fetch_prepared(connection, statement, {"number": 1})
    with engine.connect() as connection:
        assert fetch_prepared(connection, statement, {"number": 1})[0].next == 2
