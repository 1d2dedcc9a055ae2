"""Reads the node's record: page by page, or what is new."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, func, or_, select, tuple_

from service.associations.record import AssociationRecord, Outcome
from service.db.node_tables import association

_COLUMNS = [association.c[name] for name in AssociationRecord.__annotations__]


@dataclass(frozen=True)
class Selection:
    """Which lines are meant; None takes all.

    `refused` takes those where something was refused: the association, a presentation context or
    an object; and what was aborted.
    """

    since: datetime | None = None
    outcome: Outcome | None = None
    calling_ae_title: str | None = None
    refused: bool = False

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL."""
        table = association.c
        found: list[ColumnElement[bool]] = []
        if self.since is not None:
            # By its end, so that an association which began before is not forgotten.
            found.append(func.coalesce(table.ended_at, func.now()) >= self.since)
        if self.outcome is not None:
            found.append(table.outcome == self.outcome)
        if self.calling_ae_title is not None:
            found.append(table.calling_ae_title == self.calling_ae_title)
        if self.refused:
            found.append(
                or_(
                    table.outcome.in_(["rejected", "aborted"]),
                    table.refused_contexts > 0,
                    table.failed_answers > 0,
                )
            )
        return found


@dataclass(frozen=True)
class Position:
    """A place in the record, which is ordered by when a peer came."""

    started_at: datetime
    association_id: UUID


def list_associations(
    connection: Connection, selection: Selection, limit: int, before: Position | None = None
) -> list[AssociationRecord]:
    """The newest `limit` lines before a place, the newest first."""
    order = tuple_(association.c.started_at, association.c.association_id)
    conditions = selection.conditions()
    if before is not None:
        conditions.append(order < tuple_(before.started_at, before.association_id))
    rows = connection.execute(
        select(*_COLUMNS)
        .where(*conditions)
        .order_by(association.c.started_at.desc(), association.c.association_id.desc())
        .limit(limit)
    )
    return [_record(row) for row in rows]


def list_recorded(
    connection: Connection, selection: Selection, seconds: float
) -> list[AssociationRecord]:
    """The ended lines that were written or changed within some seconds, the oldest first."""
    lately = association.c.recorded_at > func.now() - timedelta(seconds=seconds)
    rows = connection.execute(
        select(*_COLUMNS)
        .where(*selection.conditions(), lately, association.c.outcome != "running")
        .order_by(association.c.ended_at)
    )
    return [_record(row) for row in rows]


def _record(row: Row[*tuple[object, ...]]) -> AssociationRecord:
    values = dict(row._mapping)
    values["first_refused_contexts"] = tuple(values["first_refused_contexts"])
    return AssociationRecord(**values)
