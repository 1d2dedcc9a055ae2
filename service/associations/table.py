"""The record's table: written in groups, kept true about what runs, and pruned."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from service.associations.record import AssociationRecord
from service.db.node_tables import association

# Six times as long as running associations go without a sign of life.
_ABANDONED_S = 180
_ABANDONED = "the node was killed, or its record could not be written; how it ended is not known"


def write_records(connection: Connection, records: Sequence[AssociationRecord]) -> None:
    """Write lines, or bring those up to date that are there; each association once at most.

    It does not wait for the disk: a second of the record is not worth an object's commit.
    """
    if not records:
        return
    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
    statement = insert(association)
    written = AssociationRecord.__annotations__
    changed = {name: statement.excluded[name] for name in written if name != "association_id"}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[association.c.association_id],
            set_=changed | {"recorded_at": func.now()},
        ),
        [_values(record) for record in records],
    )


def _values(record: AssociationRecord) -> dict[str, object]:
    values = dict(vars(record))
    values["first_refused_contexts"] = list(record.first_refused_contexts)
    return values


def keep_running(connection: Connection, association_ids: Sequence[UUID]) -> None:
    """Give associations a sign of life, so that they are not taken for abandoned."""
    if association_ids:
        connection.execute(
            update(association)
            .where(association.c.association_id.in_(association_ids), _is_running())
            .values(recorded_at=func.now())
        )


def settle_abandoned(connection: Connection) -> int:
    """End the lines of associations whose node was killed; how many."""
    last_sign = association.c.recorded_at
    return connection.execute(
        update(association)
        .where(_is_running(), last_sign < func.now() - timedelta(seconds=_ABANDONED_S))
        .values(outcome="lost", ended_at=last_sign, reason=_ABANDONED, recorded_at=func.now())
    ).rowcount


def prune_records(connection: Connection, keep_days: float, keep_rows: int) -> int:
    """Remove lines that are too old, and the oldest beyond a number; how many."""
    started_at = association.c.started_at
    one_too_many = (
        select(started_at).order_by(started_at.desc()).offset(keep_rows).limit(1).scalar_subquery()
    )
    too_old = started_at < func.now() - timedelta(days=keep_days)
    return connection.execute(
        delete(association).where(or_(too_old, started_at <= one_too_many))
    ).rowcount


def _is_running() -> ColumnElement[bool]:
    return association.c.outcome == "running"
