"""The exact way: compares the query with every row that passes; nothing is left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, text

from service.search.question import Question
from service.search.ranking import deleted_meanwhile, ranked
from service.search.statements import (
    among_many_series,
    count_statement,
    estimate_statement,
    scan_statement,
    series_statement,
)

Candidates: TypeAlias = Sequence[Row[*tuple[Any, ...]]]
_SPARE = 16
_WIDER = 8
# As many series may be named one by one, so that PostgreSQL knows how few rows they have.
_FEW_SERIES = 2000
# Room for what is looked up by hash; compiling takes longer than it saves. Of the transaction, and
# harmless to what follows in it.
_MEMORY = "SET LOCAL work_mem = '64MB'; SET LOCAL jit = off;"


@dataclass(frozen=True)
class Scope:
    """Which rows pass, once it is known which series do: their condition, and all values."""

    series: str | None
    values: dict[str, Any]


def resolve(connection: Connection, question: Question) -> Scope:
    """Look up the series that the filters on series leave."""
    values = question.values
    if not question.conditions.of_series:
        return Scope(None, values)
    found = text(series_statement(question))
    ids = connection.scalars(found, values | {"most": _FEW_SERIES + 1}).all()
    if len(ids) > _FEW_SERIES:
        return Scope(among_many_series(question), values)
    return Scope("e.series_id = ANY (CAST(:series AS bigint[]))", values | {"series": list(ids)})


def scan(connection: Connection, question: Question, scope: Scope) -> Candidates:
    """The rows asked for; all of them if they are fewer than k.

    Raises:
        InstanceUnknown: the slice asked about was deleted meanwhile.
    """
    statement = text(_MEMORY + scan_statement(question, scope.series))
    fetch = question.page.wanted + _SPARE
    while True:
        rows = connection.execute(statement, scope.values | {"fetch": fetch}).all()
        require_point(connection, question)
        is_all = len(rows) < fetch
        found = ranked(rows, question, is_all=is_all)
        if is_all or len(found) == question.page.k:
            return found
        # More rows than there is room for are equally far away.
        fetch *= _WIDER


def require_point(connection: Connection, question: Question) -> None:
    """Refuse what was found near a slice that was deleted meanwhile: its distances are null.

    Asked afterwards: what is there still was there before.

    Raises:
        InstanceUnknown: it is gone.
    """
    if question.target.slice is None:
        return
    place = {"instance_id": question.target.slice.instance_id, "frame": question.target.slice.frame}
    if not connection.scalar(text(f"SELECT {question.point} IS NOT NULL"), place):
        raise deleted_meanwhile()


def count(connection: Connection, question: Question, scope: Scope) -> tuple[int, int]:
    """How many rows the gallery has, and how many of them pass; reads all of them."""
    statement = text(_MEMORY + count_statement(question, scope.series))
    row = connection.execute(statement, scope.values).one()
    return row.rows, row.passing


@dataclass(frozen=True)
class Estimate:
    """What PostgreSQL's statistics say: rows, rows that pass, and rows it would have to read."""

    rows: float
    passing: float
    reads: float


def estimate(connection: Connection, question: Question, scope: Scope) -> Estimate:
    """What the exact way would cost, without going it."""
    passing = _planned(connection, estimate_statement(question, scope.series), scope.values)
    everything = _planned(connection, estimate_statement(question.unconditional, None), {})
    rows = max(float(everything["Plan Rows"]), 1.0)
    by_index = "Seq Scan" not in str(passing)
    reads = _PAGES * float(passing["Plan Rows"]) if by_index else rows
    return Estimate(rows, float(passing["Plan Rows"]), min(reads, rows))


# A row that an index names costs as much as so many that are read in their order (measured).
_PAGES = 3


def _planned(connection: Connection, statement: str, values: dict[str, Any]) -> dict[str, Any]:
    plan: dict[str, Any] = connection.execute(text(statement), values).scalar_one()[0]["Plan"]
    return plan
