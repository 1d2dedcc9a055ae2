"""The copies of labels in embedding rows, since a filter must act inside the search.

A copy holds what is confirmed: statements that stand, without predictions, so that a search for a
diagnosis never finds what only a machine said. Nothing here records or ends a label.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, text

_COPIES = "hashtext('precuneus labels')"
_WRITERS = "hashtext('precuneus label writers')"

# Of the instances in `touched`; by joins, as there may be a million of them.
_LABELLED = """
    said AS (
        SELECT u.instance_id, l.label FROM touched u
        JOIN label l ON l.sop_instance_uid = u.sop_instance_uid
        WHERE l.ended_at IS NULL AND l.source <> 'prediction'
        UNION
        SELECT u.instance_id, l.label FROM touched u
        JOIN label l ON l.study_instance_uid = u.study_instance_uid
        WHERE l.ended_at IS NULL AND l.source <> 'prediction'),
    labelled AS (
        SELECT u.instance_id,
               array_remove(array_agg(s.label ORDER BY s.label), NULL) AS labels
        FROM touched u LEFT JOIN said s USING (instance_id) GROUP BY u.instance_id)"""


def lock_labels(connection: Connection) -> None:
    """Let nobody else write labels until the caller's transaction ends.

    Those who write embedding rows go on until the copies are refreshed.
    """
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")


def hold_labels(connection: Connection) -> None:
    """Hold off refreshed copies until the caller's transaction ends.

    Without it, a label could be missed between a look at the labels and the rows that copy them.
    """
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({_COPIES})")


def labels_of_instances(
    connection: Connection, instance_ids: Iterable[int]
) -> dict[int, tuple[str, ...]]:
    """The confirmed labels of instances, their own and their studies', sorted."""
    rows = connection.execute(
        text(f"""
            WITH touched AS MATERIALIZED (
                SELECT i.instance_id, i.sop_instance_uid, t.study_instance_uid
                FROM instance i JOIN series USING (series_id) JOIN study t USING (study_id)
                WHERE i.instance_id = ANY (:ids)),
            {_LABELLED}
            SELECT instance_id, labels FROM labelled
        """),
        {"ids": list(instance_ids)},
    )
    return {row.instance_id: tuple(row.labels) for row in rows}


def refresh_copies(connection: Connection) -> None:
    """Bring copies up to date for what the temporary tables `statement` and `ended` touched."""
    _refresh(
        connection,
        """SELECT sop_instance_uid, study_instance_uid FROM pg_temp.ended
           UNION SELECT sop_instance_uid, study_instance_uid FROM pg_temp.statement
           WHERE standing IS NULL""",
        {},
    )


def refresh_copies_of(
    connection: Connection, sop_instance_uid: str | None, study_instance_uid: str | None
) -> None:
    """Bring copies up to date for one instance or study."""
    _refresh(
        connection,
        """SELECT CAST(:sop AS text) AS sop_instance_uid,
                  CAST(:study AS text) AS study_instance_uid""",
        {"sop": sop_instance_uid, "study": study_instance_uid},
    )


def _refresh(connection: Connection, subjects: str, parameters: dict[str, str | None]) -> None:
    # Whoever looked before our labels are there has written its rows, once we hold this.
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_COPIES})")
    connection.execute(
        text(f"""
            WITH subject AS MATERIALIZED ({subjects}),
            touched AS MATERIALIZED (
                SELECT i.instance_id, i.sop_instance_uid, t.study_instance_uid
                FROM subject JOIN instance i USING (sop_instance_uid)
                JOIN series USING (series_id) JOIN study t USING (study_id)
                UNION
                SELECT i.instance_id, i.sop_instance_uid, t.study_instance_uid
                FROM subject JOIN study t USING (study_instance_uid)
                JOIN series USING (study_id) JOIN instance i USING (series_id)),
            {_LABELLED}
            UPDATE embedding e SET labels = n.labels FROM labelled n
            WHERE e.encoder_id = ANY (ARRAY(SELECT encoder_id FROM encoder))
                AND e.instance_id = n.instance_id AND e.labels <> n.labels
        """),
        parameters,
    )
