"""Applies the present rules of admission to what came under other ones.

In batches, each a transaction of its own; a run that was interrupted is simply run again. Files
stay where they are: what the rules would drop today leaves the search, and not the disk.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip

from service.admission.rules import AdmissionRules, ObjectFacts
from service.admission.wording import NOT_ADMITTED, reason_of
from service.db.deadlocks import despite_deadlocks
from service.db.node_tables import dropped_object
from service.db.tables import embedding_job, instance, series
from service.dropped import forget_dropped
from service.queue import drop

_BATCH = 1000
_OUT = (instance.c.state == "unsupported") & instance.c.reason.startswith(NOT_ADMITTED)


@dataclass
class ReadmissionReport:
    """What the present rules change, in numbers of instances.

    `admitted` are queued, `withdrawn` leave the search (`reasons` say by which rule), `reworded`
    stay out of it under another rule. `welcome` were dropped and would be kept today: they count as
    missing from now on, so that a pull asks for them.
    """

    examined: int = 0
    admitted: int = 0
    withdrawn: int = 0
    reworded: int = 0
    welcome: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def sentence(self) -> str:
        """The report for a person."""
        return (
            f"{self.examined} instances examined: {self.admitted} admitted and queued, "
            f"{self.withdrawn} no longer admitted, {self.reworded} still not admitted, by another "
            f"rule. {self.welcome} dropped ones would be kept if they were sent again."
        )


def readmit(
    engine: Engine,
    rules: AdmissionRules,
    *,
    dry_run: bool = False,
    batch: int = _BATCH,
    advance: Callable[[int], None] = lambda _count: None,
) -> ReadmissionReport:
    """Reconsider all instances, and all objects that were dropped.

    What is out of the search for another reason (no image, rejected) stays so. `dry_run` counts,
    and changes nothing. `advance` is told of each batch's size.

    Raises:
        SQLAlchemyError: the database failed; the batches before it count.
    """
    report = ReadmissionReport()
    last_id = 0
    while found := _instances(engine, last_id, batch):
        changes = _changes(found, rules, report)
        if not dry_run:
            _apply_patiently(engine, changes)
        last_id = found[-1].instance_id
        advance(len(found))
    _reconsider_dropped(engine, rules, report, batch=batch, dry_run=dry_run)
    return report


def count_instances(engine: Engine) -> int:
    """How many instances there are to examine."""
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(instance)) or 0


@dataclass(frozen=True)
class _Changes:
    """What a batch needs: instances to queue, and to take or keep out, by their reason."""

    admit: list[int] = field(default_factory=list)
    withdraw: dict[str, list[int]] = field(default_factory=dict)
    reword: dict[str, list[int]] = field(default_factory=dict)


def _instances(engine: Engine, after: int, limit: int) -> list[Row[tuple[object, ...]]]:
    with engine.connect() as connection:
        return list(
            connection.execute(
                select(
                    *(instance.c.instance_id, instance.c.state, instance.c.reason),
                    *(instance.c.image_type, instance.c.sop_class_uid, instance.c.source),
                    *(series.c.modality, series.c.body_part_examined),
                )
                .select_from(instance.join(series))
                .where(instance.c.instance_id > after)
                .order_by(instance.c.instance_id)
                .limit(limit)
            )
        )


def _facts(row: Row[tuple[object, ...]]) -> ObjectFacts:
    return ObjectFacts(
        modality=row.modality,
        body_part=row.body_part_examined,
        image_type=tuple(row.image_type),
        sop_class_uid=row.sop_class_uid,
        calling_ae_title=row.source,
    )


def _changes(
    rows: list[Row[tuple[object, ...]]], rules: AdmissionRules, report: ReadmissionReport
) -> _Changes:
    """What differs from what the rules say, counted in the report."""
    changes = _Changes()
    for row in rows:
        report.examined += 1
        reason = reason_of(rules.decide(_facts(row)))
        if row.state != "unsupported":
            if reason is not None:
                report.withdrawn += 1
                report.reasons[reason] = report.reasons.get(reason, 0) + 1
                changes.withdraw.setdefault(reason, []).append(row.instance_id)
        elif row.reason is not None and row.reason.startswith(NOT_ADMITTED):
            if reason is None:
                report.admitted += 1
                changes.admit.append(row.instance_id)
            elif reason != row.reason:
                report.reworded += 1
                changes.reword.setdefault(reason, []).append(row.instance_id)
    return changes


def _apply_patiently(engine: Engine, changes: _Changes) -> None:
    def apply() -> None:
        with engine.begin() as connection:
            _apply(connection, changes)

    # A worker may hold the same rows in another order.
    despite_deadlocks(apply)


def _apply(connection: Connection, changes: _Changes) -> None:
    """Write a batch; a state that changed meanwhile (a rejection, say) is left alone."""
    for reason, ids in changes.withdraw.items():
        named = {"ids": ids}
        # A worker that holds a job has written its rows when this returns.
        drop(connection, ids)
        connection.execute(
            update(instance)
            .where(instance.c.instance_id.in_(ids), instance.c.state != "unsupported")
            .values(state="unsupported", reason=reason, settled_at=func.now())
        )
        # Only now: an encoder that follows holds the instance while it writes rows of it.
        connection.execute(text("DELETE FROM embedding WHERE instance_id = ANY (:ids)"), named)
    for reason, ids in changes.reword.items():
        connection.execute(
            update(instance).where(instance.c.instance_id.in_(ids), _OUT).values(reason=reason)
        )
    queued = connection.scalars(
        update(instance)
        .where(instance.c.instance_id.in_(changes.admit), _OUT)
        .values(state="pending", reason=None, settled_at=None)
        .returning(instance.c.instance_id)
    ).all()
    if queued:
        jobs = [{"instance_id": instance_id} for instance_id in queued]
        connection.execute(insert_or_skip(embedding_job).on_conflict_do_nothing(), jobs)


def _reconsider_dropped(
    engine: Engine, rules: AdmissionRules, report: ReadmissionReport, *, batch: int, dry_run: bool
) -> None:
    last_uid = ""
    while found := _dropped(engine, last_uid, batch):
        last_uid = found[-1].sop_instance_uid
        welcome: list[str] = []
        reasons: dict[str, list[str]] = {}
        for row in found:
            decision = rules.decide(_facts(row))
            reason = reason_of(decision)
            if decision.action != "drop" or reason is None:
                welcome.append(row.sop_instance_uid)
            elif reason != row.reason:
                reasons.setdefault(reason, []).append(row.sop_instance_uid)
        report.welcome += len(welcome)
        if not dry_run:
            with engine.begin() as connection:
                forget_dropped(connection, welcome)
                for reason, uids in reasons.items():
                    named = dropped_object.c.sop_instance_uid.in_(uids)
                    connection.execute(update(dropped_object).where(named).values(reason=reason))


def _dropped(engine: Engine, after: str, limit: int) -> list[Row[tuple[object, ...]]]:
    with engine.connect() as connection:
        return list(
            connection.execute(
                select(dropped_object)
                .where(dropped_object.c.sop_instance_uid > after)
                .order_by(dropped_object.c.sop_instance_uid)
                .limit(limit)
            )
        )
