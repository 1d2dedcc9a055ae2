"""Sums up what the node refused, by reason: what to mend first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Row,
    Select,
    cast,
    func,
    select,
    true,
)

from service.associations.listing import Selection
from service.associations.record import is_failure
from service.associations.words import name_of_context, name_of_status
from service.db.node_tables import association


@dataclass(frozen=True)
class ReasonCount:
    """How often something ended badly for one reason, from how many addresses, and when last.

    `what` is rejected, aborted or lost (associations), "context" or "object"; of an association's
    refused contexts the first few count.
    """

    what: str
    reason: str
    count: int
    addresses: int
    last_at: datetime


def count_refusals(connection: Connection, selection: Selection) -> list[ReasonCount]:
    """What was refused or broke off, by reason, the most frequent first."""
    table, conditions = association.c, selection.conditions()
    contexts = func.unnest(table.first_refused_contexts).table_valued("context", name="refused")
    answers = func.jsonb_each_text(table.answers).table_valued("status", "number", name="answer")
    contexts, answers = contexts.render_derived(), answers.render_derived()
    number = func.sum(cast(answers.c.number, Integer))
    ends = _grouped([table.outcome, table.reason], func.sum(table.connections), association)
    ends = ends.where(table.outcome.in_(["rejected", "aborted", "lost"]))
    refused = _grouped([contexts.c.context], func.count(), association.join(contexts, true()))
    answered = _grouped([answers.c.status], number, association.join(answers, true()))
    found = [
        ReasonCount(row.outcome, row.reason or "no reason is known", *_numbers(row))
        for row in connection.execute(ends.where(*conditions))
    ]
    found += [
        ReasonCount("context", name_of_context(row.context), *_numbers(row))
        for row in connection.execute(refused.where(*conditions))
    ]
    found += [
        ReasonCount("object", name_of_status(row.status), *_numbers(row))
        for row in connection.execute(answered.where(*conditions))
        if is_failure(int(row.status, 16))
    ]
    return sorted(found, key=lambda counted: (-counted.count, counted.reason))


def _grouped(
    by: Sequence[ColumnElement[Any]], number: ColumnElement[Any], source: FromClause
) -> Select[Any]:
    table = association.c
    last_at = func.max(func.coalesce(table.ended_at, table.started_at))
    addresses = func.count(table.address.distinct())
    return (
        select(*by, number.label("times"), addresses.label("addresses"), last_at.label("last_at"))
        .select_from(source)
        .group_by(*by)
    )


def _numbers(row: Row[Any]) -> tuple[int, int, datetime]:
    return int(row.times), row.addresses, row.last_at
