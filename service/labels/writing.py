"""Writes statements, all of them or none: new ones beside the old, which end and stay.

Each subject's copies in embedding rows follow in the same transaction.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, text

from service.labels.copies import lock_labels, refresh_copies
from service.labels.faults import Faults, InvalidLabels
from service.labels.reading import Line
from service.labels.record import LabelRecord
from service.labels.staging import BLOCK, find_contradictions, settle_statements, stage


@dataclass(frozen=True)
class LabelReport:
    """What became of statements, each counted once.

    `recorded` are new, `unchanged` stood already; `replaced` are older ones that ended thereby. Of
    the `subjects` that all of them are about, `waiting` are not in the gallery yet.
    """

    recorded: int
    replaced: int
    unchanged: int
    subjects: int
    waiting: int


def record_labels(
    connection: Connection,
    records: Iterable[LabelRecord],
    *,
    recorded_by: str | None = None,
    replace: bool = True,
) -> LabelReport:
    """Record statements in the caller's transaction.

    What the same source (and origin) said before of the same subject ends as replaced; with
    `replace=False` only what these say anew, with another code, author or time.

    Raises:
        InvalidLabels: two of them contradict each other.
    """
    lines = (Line(number, record) for number, record in enumerate(records, start=1))
    for _ in stage(connection, lines):
        pass
    return write_staged(connection, "labels", Faults(), recorded_by=recorded_by, replace=replace)


def write_staged(
    connection: Connection, name: str, faults: Faults, *, recorded_by: str | None, replace: bool
) -> LabelReport:
    """Write what is staged, unless there are faults.

    Raises:
        InvalidLabels: there are, or two statements contradict each other.
    """
    find_contradictions(connection, faults)
    if faults.count:
        raise InvalidLabels(name, faults)
    lock_labels(connection)
    settle_statements(connection)
    replaced = _end_old(connection, recorded_by, replace=replace)
    recorded = connection.execute(text(_INSERT), {"recorded_by": recorded_by}).rowcount
    if recorded > BLOCK:
        # Or the planner would take the table for what it was before.
        connection.execute(text("ANALYZE label"))
    refresh_copies(connection)
    counts = connection.execute(text(_COUNTS)).one()
    return LabelReport(
        recorded=recorded,
        replaced=replaced,
        unchanged=counts.unchanged,
        subjects=counts.subjects,
        waiting=counts.waiting,
    )


def _end_old(connection: Connection, recorded_by: str | None, *, replace: bool) -> int:
    """End what these replace, and note its subjects in the temporary table `ended`."""
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.ended"))
    connection.execute(
        text(
            "CREATE TEMPORARY TABLE ended (sop_instance_uid text, study_instance_uid text)"
            " ON COMMIT DROP"
        )
    )
    same_label = "true" if replace else "l.label = s.label AND s.standing IS NULL"
    for uid in ("sop_instance_uid", "study_instance_uid"):
        connection.execute(
            text(f"""
                WITH ended AS (
                    UPDATE label l
                    SET ended_at = now(), ended_as = 'replaced', ended_by = :recorded_by
                    FROM (SELECT DISTINCT {uid}, source, origin, label, standing
                          FROM pg_temp.statement WHERE {uid} IS NOT NULL) s
                    WHERE l.{uid} = s.{uid} AND l.ended_at IS NULL
                        AND l.source = s.source AND l.origin IS NOT DISTINCT FROM s.origin
                        AND {same_label}
                        AND NOT EXISTS (
                            SELECT FROM pg_temp.statement u WHERE u.standing = l.label_id)
                    RETURNING l.sop_instance_uid, l.study_instance_uid)
                INSERT INTO pg_temp.ended SELECT * FROM ended"""),
            {"recorded_by": recorded_by},
        )
    connection.execute(text("ANALYZE pg_temp.ended"))
    return int(connection.execute(text("SELECT count(*) FROM pg_temp.ended")).scalar_one())


_INSERT = """
    INSERT INTO label (sop_instance_uid, study_instance_uid, label, scheme, code, meaning,
                       source, origin, author, stated_at, recorded_by)
    SELECT sop_instance_uid, study_instance_uid, label, scheme, code, meaning,
           source, origin, coalesce(author, :recorded_by), coalesce(stated_at, now()), :recorded_by
    FROM pg_temp.statement WHERE standing IS NULL ORDER BY line"""

_COUNTS = """
    SELECT (SELECT count(*) FROM pg_temp.statement WHERE standing IS NOT NULL) AS unchanged,
           count(*) AS subjects,
           count(*) FILTER (WHERE i.instance_id IS NULL AND t.study_id IS NULL) AS waiting
    FROM (SELECT DISTINCT sop_instance_uid, study_instance_uid FROM pg_temp.statement) s
    LEFT JOIN instance i ON i.sop_instance_uid = s.sop_instance_uid
    LEFT JOIN study t ON t.study_instance_uid = s.study_instance_uid"""
