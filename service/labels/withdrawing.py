"""Takes a label back: it no longer counts, and stays with when, by whom and why."""

from typing import Any

from sqlalchemy import Connection, func, select, update

from service.db.tables import label
from service.errors import InvalidParameter
from service.labels.copies import lock_labels, refresh_copies_of
from service.labels.faults import LabelUnknown
from service.labels.history import Level, StatedLabel, stated


def withdraw_label(
    connection: Connection,
    label_id: int,
    reason: str,
    *,
    by: str | None = None,
    subject: tuple[Level, str] | None = None,
) -> StatedLabel:
    """Withdraw a label in the caller's transaction; one that has ended already stays as it is.

    With `subject` it must be a label of that very instance or study.

    Raises:
        LabelUnknown: there is no such label, or it is another subject's.
        InvalidParameter: no reason is given.
    """
    reason = reason.strip()
    if not reason:
        raise InvalidParameter("Say why the label is withdrawn; the reason is kept.")
    lock_labels(connection)
    found = _find(connection, label_id, subject)
    if found.ended_at is not None:
        return stated(found)
    ended = connection.execute(
        update(label)
        .where(label.c.label_id == label_id)
        .values(ended_at=func.now(), ended_as="withdrawn", ended_by=by, ended_because=reason)
        .returning(label)
    ).one()
    refresh_copies_of(connection, ended.sop_instance_uid, ended.study_instance_uid)
    return stated(ended)


def _find(connection: Connection, label_id: int, subject: tuple[Level, str] | None) -> Any:
    chosen = select(label).where(label.c.label_id == label_id)
    if subject is not None:
        level, uid = subject
        owner = label.c.sop_instance_uid if level == "instance" else label.c.study_instance_uid
        chosen = chosen.where(owner == uid)
    found = connection.execute(chosen).one_or_none()
    if found is None:
        of = f" of {subject[0]} {subject[1]}" if subject else ""
        raise LabelUnknown(f"There is no label {label_id}{of}: see `precuneus gallery labels`.")
    return found
