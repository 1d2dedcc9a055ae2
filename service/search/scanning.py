"""The exact way: compares the query with every row that passes; nothing is left out."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from service.search.question import Question
from service.search.ranking import ranked
from service.search.statements import (
    among_many_series,
    count_statement,
    scan_statement,
    series_statement,
)

_SPARE = 16
_WIDER = 8
# As many series may be named one by one, so that PostgreSQL knows how few rows they have.
_FEW_SERIES = 2000


def scan(connection: Connection, question: Question) -> Sequence[Row[*tuple[Any, ...]]]:
    """The rows asked for; all of them if they are fewer than k."""
    series, values = _resolve_series(connection, question)
    statement = text("SET LOCAL work_mem = '64MB';" + scan_statement(question, series))
    fetch = question.wanted + _SPARE
    while True:
        rows = connection.execute(statement, values | {"fetch": fetch}).all()
        is_all = len(rows) < fetch
        found = ranked(rows, question, is_all=is_all)
        if is_all or len(found) == question.k:
            return found
        # More rows than there is room for are equally far away.
        fetch *= _WIDER


def count(connection: Connection, question: Question) -> tuple[int, int]:
    """How many rows the gallery has, and how many of them pass."""
    series, values = _resolve_series(connection, question)
    row = connection.execute(text(count_statement(question, series)), values).one()
    return row.rows, row.passing


def _resolve_series(
    connection: Connection, question: Question
) -> tuple[str | None, dict[str, Any]]:
    """The condition on a row's series, and all values."""
    values = question.values
    if not question.conditions.of_series:
        return None, values
    found = text(series_statement(question))
    ids = connection.scalars(found, values | {"most": _FEW_SERIES + 1}).all()
    if len(ids) > _FEW_SERIES:
        return among_many_series(question), values
    return "e.series_id = ANY (CAST(:series AS bigint[]))", values | {"series": ids}
