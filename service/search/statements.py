"""The statements of a search. Rows come as `Candidate` names them, by distance, UID and frame.

Every part comes from this package or is an integer; a caller's values are bound parameters.
"""

from service.search.question import Question

_GROUPS = {"series": "series_id", "patient": "patient_key"}


def walk_statement(question: Question) -> str:
    """What passes of the `:walk` rows that the index holds for the nearest.

    `place` says how many of those are as near as a row; `walked` how many there were; `found_self`
    whether the query's own row was among them.
    """
    encoder = question.encoder
    distance = f"e.coordinates::vector({encoder.dimension}) <-> {question.point}"
    itself = "false"
    if question.target.slice is not None:
        itself = "(e.instance_id, e.frame) = (:instance_id, :frame)"
    passing = f"SELECT e.* FROM placed e{_joins(question)} WHERE {_all_conditions(question)}"
    return f"""
        WITH walked AS MATERIALIZED (
            SELECT e.instance_id, e.frame, e.series_id, e.study_id, e.patient_key, e.modality,
                   e.labels, e.plane, e.patient_sex, e.patient_age_years, {distance} AS distance
            FROM {encoder.partition} e ORDER BY {distance} LIMIT :walk),
        placed AS MATERIALIZED (
            SELECT *, count(*) OVER (ORDER BY distance) AS place, count(*) OVER () AS walked,
                   coalesce(bool_or({itself}) OVER (), false) AS found_self
            FROM walked e),
        nearest AS MATERIALIZED ({_nearest_of_each(question, passing)} LIMIT :fetch)
        {_told("n.place, n.walked, n.found_self")}
    """


def _nearest_of_each(question: Question, passing: str) -> str:
    """The passing rows of a walk, or the nearest of each group."""
    since = _since(question)
    if question.collapse == "none":
        return f"SELECT * FROM ({passing}) p WHERE {since} ORDER BY distance"
    group = f"p.{_GROUPS[question.collapse]}"
    return f"""
        SELECT * FROM (
            SELECT DISTINCT ON ({group}) p.*
            FROM ({passing}) p JOIN instance i USING (instance_id)
            ORDER BY {group}, p.distance, i.sop_instance_uid COLLATE "C", p.frame
        ) best WHERE {since} ORDER BY distance
    """


def scan_statement(question: Question, series: str | None) -> str:
    """The `:fetch` nearest of all rows that pass; `series` is the condition on their series."""
    partition = question.encoder.partition
    conditions = " AND ".join([*question.conditions.own, *([series] if series else [])]) or "true"
    distance = f"e.coordinates <-> {question.point}"
    if question.collapse == "none":
        return f"""
            WITH scanned AS MATERIALIZED (
                SELECT e.instance_id, e.frame, {distance} AS distance
                FROM {partition} e WHERE {conditions}
                {"" if question.position is None else f"AND {distance} >= :since"}
                ORDER BY {distance} LIMIT :fetch),
            nearest AS (
                SELECT e.*, n.distance FROM scanned n JOIN {partition} e USING (instance_id, frame)
                WHERE e.encoder_id = {question.encoder.encoder_id})
            {_told()}
        """
    group = _GROUPS[question.collapse]
    # An instance's patient has an index; the partition has one of series alone.
    of_group = {"series": "e.series_id = g.series_id", "patient": "i.patient_key = g.patient_key"}
    return f"""
        WITH groups AS MATERIALIZED (
            SELECT e.{group}, min({distance}) AS distance
            FROM {partition} e WHERE {conditions} GROUP BY e.{group}
            {"" if question.position is None else f"HAVING min({distance}) >= :since"}
            ORDER BY 2 LIMIT :fetch),
        nearest AS (
            SELECT best.*, g.distance FROM groups g CROSS JOIN LATERAL (
                SELECT e.* FROM {partition} e JOIN instance i USING (instance_id)
                WHERE e.encoder_id = {question.encoder.encoder_id} AND {of_group[question.collapse]}
                      AND {distance} = g.distance AND {conditions}
                ORDER BY i.sop_instance_uid COLLATE "C", e.frame LIMIT 1) best)
        {_told()}
    """


def _told(more: str = "") -> str:
    """What is told of each of the `nearest`, in order."""
    return f"""
        SELECT i.sop_instance_uid, n.frame, s.series_instance_uid, t.study_instance_uid,
               n.modality, n.distance, n.labels, n.instance_id, n.patient_key, n.series_id,
               n.study_id{", " if more else ""}{more}
        FROM nearest n
             JOIN instance i ON i.instance_id = n.instance_id
             JOIN series s ON s.series_id = n.series_id
             JOIN study t ON t.study_id = n.study_id
        ORDER BY n.distance, i.sop_instance_uid COLLATE "C", n.frame
    """


def _joins(question: Question) -> str:
    if not question.conditions.of_series:
        return ""
    return " JOIN series s ON s.series_id = e.series_id JOIN study t ON t.study_id = e.study_id"


def _all_conditions(question: Question) -> str:
    return " AND ".join([*question.conditions.own, *question.conditions.of_series]) or "true"


def _since(question: Question) -> str:
    return "true" if question.position is None else "distance >= :since"


def series_statement(question: Question) -> str:
    """The first `:most` series whose slices pass the conditions on series."""
    return f"SELECT s.series_id {_of_series(question)} LIMIT :most"


def among_many_series(question: Question) -> str:
    """The condition that a row's series is one of those; its form keeps it a hashed look-up."""
    return f"(e.series_id IN (SELECT s.series_id {_of_series(question)})) IS TRUE"


def _of_series(question: Question) -> str:
    conditions = " AND ".join(question.conditions.of_series)
    return f"FROM series s JOIN study t USING (study_id) WHERE {conditions}"


def count_statement(question: Question, series: str | None) -> str:
    """How many rows there are, and how many pass."""
    conditions = " AND ".join([*question.conditions.own, *([series] if series else [])]) or "true"
    return (
        f"SELECT count(*) AS rows, count(*) FILTER (WHERE {conditions}) AS passing"
        f" FROM {question.encoder.partition} e"
    )
