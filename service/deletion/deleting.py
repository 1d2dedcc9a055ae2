"""Takes instances out of the gallery in one transaction, and leaves tombstones.

With its commit the next search finds them no more. Their files are `service.deletion.files`'s.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Engine, select, text

from dicom_node.rejection import Reference
from service import queue
from service.db.deadlocks import despite_deadlocks
from service.db.tables import instance, series, study
from service.errors import InstanceUnknown

Level = Literal["study", "series", "instance"]
_UIDS = {
    "study": study.c.study_instance_uid,
    "series": series.c.series_instance_uid,
    "instance": instance.c.sop_instance_uid,
}


@dataclass(frozen=True)
class Cause:
    """Why something is deleted: `code` is "command" or a rejection's, `by_whom` a user or a peer.

    `refuse` has a re-send refused; without it, it is taken as new.
    """

    code: str
    by_whom: str
    reason: str | None = None
    refuse: bool = False


def find_instances(connection: Connection, level: Level, uid: str) -> list[int]:
    """The instances of a study, a series, or one.

    Raises:
        InstanceUnknown: the gallery holds none of it.
    """
    within = instance.join(series).join(study)
    ids = list(
        connection.scalars(
            select(instance.c.instance_id).select_from(within).where(_UIDS[level] == uid)
        )
    )
    if not ids:
        raise InstanceUnknown(f"The gallery holds nothing of {level} {uid}.")
    return ids


def delete_subject(engine: Engine, level: Level, uid: str, cause: Cause) -> int:
    """Delete a study, a series or an instance, and commit; how many instances it were.

    Raises:
        InstanceUnknown: the gallery holds none of it.
        SQLAlchemyError: the database failed; nothing is deleted.
    """
    # A worker may hold the same rows in another order.
    return despite_deadlocks(lambda: _delete_once(engine, level, uid, cause))


def _delete_once(engine: Engine, level: Level, uid: str, cause: Cause) -> int:
    with engine.begin() as connection:
        ids = find_instances(connection, level, uid)
        delete_instances(connection, ids, cause)
    return len(ids)


def delete_instances(connection: Connection, instance_ids: Sequence[int], cause: Cause) -> None:
    """Delete instances with all that belongs to them, in the caller's transaction.

    What was said of them by labels stays with its history, under UIDs alone, and counts again
    should they come again.
    """
    ids = {"ids": sorted(instance_ids)}
    # Jobs first, as a worker locks them first; one that holds a job then ends before we go on.
    queue.drop(connection, instance_ids)
    # In order, as an encoder that follows locks those that it writes.
    connection.execute(
        text("SELECT FROM instance WHERE instance_id = ANY (:ids) ORDER BY instance_id FOR UPDATE"),
        ids,
    )
    connection.execute(
        text("""
            INSERT INTO tombstone (sop_instance_uid, series_instance_uid, study_instance_uid,
                                   cause, reason, by_whom, refuse)
            SELECT i.sop_instance_uid, s.series_instance_uid, t.study_instance_uid,
                   :cause, :reason, :by_whom, :refuse
            FROM instance i JOIN series s USING (series_id) JOIN study t USING (study_id)
            WHERE i.instance_id = ANY (:ids)"""),
        ids | _parameters(cause),
    )
    connection.execute(
        text("""
            INSERT INTO deleted_file (file_name, file_size, sha256)
            SELECT file_name, file_size, sha256 FROM instance WHERE instance_id = ANY (:ids)
            UNION ALL
            SELECT file_name, file_size, sha256 FROM conflict WHERE instance_id = ANY (:ids)"""),
        ids,
    )
    connection.execute(text("DELETE FROM conflict WHERE instance_id = ANY (:ids)"), ids)
    emptied = connection.scalars(
        text("DELETE FROM instance WHERE instance_id = ANY (:ids) RETURNING series_id"), ids
    )
    _delete_empty(connection, sorted(set(emptied)))


def _parameters(cause: Cause) -> dict[str, object]:
    return {
        "cause": cause.code,
        "reason": cause.reason,
        "by_whom": cause.by_whom,
        "refuse": cause.refuse,
    }


def _delete_empty(connection: Connection, series_ids: list[int]) -> None:
    """Delete series, and then studies, that nothing is left of; locked against new instances."""
    connection.execute(
        text("SELECT FROM series WHERE series_id = ANY (:ids) ORDER BY series_id FOR UPDATE"),
        {"ids": series_ids},
    )
    studies = connection.scalars(
        text("""
            DELETE FROM series s WHERE s.series_id = ANY (:ids)
                AND NOT EXISTS (SELECT FROM instance i WHERE i.series_id = s.series_id)
            RETURNING s.study_id"""),
        {"ids": series_ids},
    )
    ids = {"ids": sorted(set(studies))}
    connection.execute(
        text("SELECT FROM study WHERE study_id = ANY (:ids) ORDER BY study_id FOR UPDATE"), ids
    )
    connection.execute(
        text("""
            DELETE FROM study t WHERE t.study_id = ANY (:ids)
                AND NOT EXISTS (SELECT FROM series s WHERE s.study_id = t.study_id)"""),
        ids,
    )


def bury(connection: Connection, references: Iterable[Reference], cause: Cause) -> None:
    """Leave tombstones for instances that are not here, should they come later."""
    rows = [vars(reference) | _parameters(cause) for reference in references]
    if rows:
        connection.execute(
            text("""
                INSERT INTO tombstone (sop_instance_uid, series_instance_uid, study_instance_uid,
                                       cause, reason, by_whom, refuse)
                VALUES (:sop_instance_uid, :series_instance_uid, :study_instance_uid,
                        :cause, :reason, :by_whom, :refuse)"""),
            rows,
        )
