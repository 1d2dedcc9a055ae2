"""How far a pull has come, in the database: an interrupted one goes on where it was.

It holds Study Instance UIDs and reasons of ours, and nothing of a patient.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip

from dicom_node.requesting.selection import Selection
from service.db.node_tables import peer, pull, pull_study
from service.errors import Unavailable


@dataclass(frozen=True)
class PullRow:
    """A pull's number, and when it began; `listed` says that its studies are all known."""

    pull_id: int
    started_at: datetime
    listed: bool
    resumed: bool


@contextmanager
def only_pull(engine: Engine, peer_name: str) -> Iterator[None]:
    """Keep a second pull from the same peer away while this lasts.

    Raises:
        Unavailable: one is running.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        key = {"key": f"precuneus pull {peer_name}"}
        locked = connection.scalar(text("SELECT pg_try_advisory_lock(hashtext(:key))"), key)
        if not locked:
            raise Unavailable(f"Another pull from {peer_name} is running.")
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(hashtext(:key))"), key)


def begin_pull(
    connection: Connection, peer_name: str, selection: Selection, *, anew: bool = False
) -> PullRow:
    """The unfinished pull of the same selection, or a new one; `anew` forgets the former."""
    wanted = _as_json(selection)
    peer_id = select(peer.c.peer_id).where(peer.c.name == peer_name).scalar_subquery()
    unfinished = (
        (pull.c.peer_id == peer_id) & (pull.c.selection == wanted) & pull.c.finished_at.is_(None)
    )
    if anew:
        connection.execute(delete(pull).where(unfinished))
    columns = (pull.c.pull_id, pull.c.started_at, pull.c.listed_at)
    row = connection.execute(select(*columns).where(unfinished).limit(1)).one_or_none()
    resumed = row is not None
    if row is None:
        row = connection.execute(
            insert(pull).values(peer_id=peer_id, selection=wanted).returning(*columns)
        ).one()
    return PullRow(row.pull_id, row.started_at, row.listed_at is not None, resumed)


def _as_json(selection: Selection) -> dict[str, object]:
    return {
        "study": selection.study_instance_uid,
        "modalities": sorted(selection.modalities),
        "body_parts": sorted(selection.body_parts),
        "since": selection.since and selection.since.isoformat(),
        "until": selection.until and selection.until.isoformat(),
    }


def add_studies(connection: Connection, pull_id: int, uids: Iterable[str]) -> None:
    """Remember studies that the peer has; those known already stay as they are."""
    rows = [{"pull_id": pull_id, "study_instance_uid": uid} for uid in uids]
    if rows:
        connection.execute(insert_or_skip(pull_study).on_conflict_do_nothing(), rows)


def mark_listed(connection: Connection, pull_id: int) -> None:
    """The peer has told all of its studies."""
    _set_time(connection, pull_id, "listed_at")


def finish_pull(connection: Connection, pull_id: int) -> None:
    """Every study has had its turn; the same selection again is a new pull."""
    _set_time(connection, pull_id, "finished_at")


def _set_time(connection: Connection, pull_id: int, column: str) -> None:
    connection.execute(update(pull).where(pull.c.pull_id == pull_id).values({column: func.now()}))


def unsettled_studies(connection: Connection, pull_id: int) -> list[str]:
    """The studies that have not had their turn, and those that failed."""
    return list(
        connection.scalars(
            select(pull_study.c.study_instance_uid)
            .where(pull_study.c.pull_id == pull_id, pull_study.c.state != "done")
            .order_by(pull_study.c.study_instance_uid)
        )
    )


def count_studies(connection: Connection, pull_id: int) -> int:
    """How many studies the peer has told."""
    counted = select(func.count()).where(pull_study.c.pull_id == pull_id)
    return connection.scalar(counted) or 0


def settle_study(
    connection: Connection, pull_id: int, study_instance_uid: str, reason: str = ""
) -> None:
    """A study has had its turn; with a reason it failed."""
    connection.execute(
        update(pull_study)
        .where(
            pull_study.c.pull_id == pull_id,
            pull_study.c.study_instance_uid == study_instance_uid,
        )
        .values(state="failed" if reason else "done", reason=reason or None)
    )
