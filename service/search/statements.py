"""The statements of a search. Rows come as `Candidate` names them, by distance, UID and frame.

Every part comes from this package or is an integer; a caller's values are bound parameters.
"""

import re
from collections.abc import Sequence
from math import sqrt

from service.encoders.partitions import indexed
from service.search.landmarks import astray_sql, landmarks_sql
from service.search.question import Question

_IN_ORDER = 'ORDER BY n.distance, i.sop_instance_uid COLLATE "C", n.frame'
# A coordinate in half precision is at most so far from itself, as a part of it; one of less than
# 2^-14, however small, by 2^-25. What is summed up in single precision, by 2^-24 a coordinate.
_ROUNDING = 1 / 2**11
_ROUNDING_OF_SMALL = 1 / 2**25
_SINGLE = 1 / 2**24
# What is told of each of the `nearest`.
_TOLD = """
    SELECT i.sop_instance_uid, n.frame, s.series_instance_uid, t.study_instance_uid,
           n.modality, n.distance, n.labels, n.instance_id, n.patient_key, n.series_id, n.study_id
    FROM nearest n
         JOIN instance i ON i.instance_id = n.instance_id
         JOIN series s ON s.series_id = n.series_id
         JOIN study t ON t.study_id = n.study_id
"""
_GROUPS = {"series": "series_id", "patient": "patient_key"}


def walk_statement(question: Question) -> str:
    """What passes of the `:walk` rows that the index holds for the nearest.

    Each row tells of the whole walk, too: how many rows it `walked`, how many of them passed (or
    groups, after the position), whether it `found_self`, the query's own row, or where there is
    none whether it went `astray` (service.search.landmarks), and the `place` of
    the last but one of the `:fetch`: how many of the rows walked may be at least as near, going by
    what the index holds of them. A row that the walk did not come to is held for farther away than
    those, so behind that place none is nearer. Half precision moves a distance by no more than the
    two vectors may be rounded, and sums are in single precision; a projection makes none longer.
    Where nothing passed there is one row of nulls.
    """
    point = f"SELECT {question.point} AS coordinates"
    return _walking(question, f"SELECT {_held(question)} FROM ({point}) e")


def direct_statement(question: Question) -> str:
    """The walk from the slice that `:sop_instance_uid` and `:frame` name, whoever that is.

    The keys in the question's target do not count. No row has `found_self` where the slice is not
    embedded by the question's encoder, or that is not the active one.
    """
    partition, encoder_id = question.encoder.partition, question.encoder.encoder_id
    asked = f"""
        SELECT e.instance_id, e.patient_key, {_held(question)}
        FROM instance i JOIN {partition} e ON e.instance_id = i.instance_id
        WHERE i.sop_instance_uid = :sop_instance_uid AND i.state = 'embedded'
              AND e.encoder_id = {encoder_id} AND e.frame = :frame
              AND EXISTS (SELECT FROM encoder n
                          WHERE n.encoder_id = {encoder_id} AND n.state = 'active')
    """
    return _ASKED_KEYS.sub(r"(SELECT \1 FROM asked)", _walking(question, asked))


_ASKED_KEYS = re.compile(r":(instance_id|patient_key)\b")


def _held(question: Question) -> str:
    """What a walk needs of the query's coordinates: all, what the index holds, and the length."""
    held = indexed("e.coordinates", question.encoder.dimension)
    return f"e.coordinates, {held} AS held, vector_norm(e.coordinates) AS norm"


def _walking(question: Question, asked: str) -> str:
    """The walk from what `asked` selects."""
    held = indexed("e.coordinates", question.encoder.dimension)
    itself = "false"
    landmarks, astray = "", "false"
    if question.target.itself is not None:
        itself = "(e.instance_id, e.frame) = (:instance_id, :frame)"
    else:
        landmarks = f", landmarks AS MATERIALIZED ({landmarks_sql(question)})"
        astray = astray_sql(f"SELECT max(distance) FROM {_LAST}")
    conditions = _joined([*question.conditions.own, *question.conditions.of_series])
    return f"""
        WITH asked AS MATERIALIZED ({asked}),
        walked AS MATERIALIZED (
            SELECT e.instance_id, e.frame, e.series_id, e.study_id, e.patient_key, e.modality,
                   e.labels, e.plane, e.patient_sex, e.patient_age_years,
                   e.coordinates <-> (SELECT coordinates FROM asked) AS distance,
                   {held} <-> (SELECT held FROM asked) AS held
            FROM {question.encoder.partition} e ORDER BY held LIMIT :walk),
        passing AS (SELECT e.* FROM walked e{_joins(question)} WHERE {conditions}),
        best AS MATERIALIZED ({_best(question)}),
        nearest AS MATERIALIZED (SELECT * FROM best ORDER BY distance LIMIT :fetch){landmarks},
        whole AS (
            SELECT count(*) AS walked, coalesce(bool_or({itself}), false) AS found_self,
                   (SELECT count(*) FROM best) AS passing, {_place(question)} AS place,
                   {astray} AS astray
            FROM walked e)
        SELECT told.*, whole.place, whole.walked, whole.passing, whole.found_self, whole.astray
        FROM whole LEFT JOIN ({_TOLD}) told ON true
        ORDER BY told.distance, told.sop_instance_uid COLLATE "C", told.frame
    """


# The last of the rows fetched only tells whether others are as far away as the one before.
_LAST = "(SELECT distance FROM nearest ORDER BY distance LIMIT :fetch - 1) l"


def _place(question: Question) -> str:
    reach = "max(distance)"
    if not question.encoder.is_projected:
        dimension = question.encoder.dimension
        # Lengths within that distance of the query's.
        both = "2 * (SELECT norm FROM asked) + max(distance)"
        small = 2 * sqrt(dimension) * _ROUNDING_OF_SMALL
        # Three distances that were summed up: the row's, another's, and what is held of that.
        summed = 1 + 3 / 2 * (dimension + 3) * _SINGLE
        reach = f"{summed} * (max(distance) + {_ROUNDING} * ({both}) + {small})"
    return f"count(*) FILTER (WHERE e.held <= (SELECT {reach} FROM {_LAST}))"


def _best(question: Question) -> str:
    """The passing rows of a walk, or the nearest of each group."""
    since = "true" if question.page.position is None else "distance >= :since"
    if question.collapse == "none":
        return f"SELECT * FROM passing WHERE {since}"
    group = f"p.{_GROUPS[question.collapse]}"
    return f"""
        SELECT * FROM (
            SELECT DISTINCT ON ({group}) p.* FROM passing p JOIN instance i USING (instance_id)
            ORDER BY {group}, p.distance, i.sop_instance_uid COLLATE "C", p.frame) b
        WHERE {since}
    """


def scan_statement(question: Question, series: str | None) -> str:
    """The `:fetch` nearest of all rows that pass; `series` is the condition on their series."""
    partition = question.encoder.partition
    conditions = _joined([*question.conditions.own, *([series] if series else [])])
    distance = f"e.coordinates <-> {question.point}"
    if question.collapse == "none":
        return f"""
            WITH scanned AS MATERIALIZED (
                SELECT e.instance_id, e.frame, {distance} AS distance
                FROM {partition} e WHERE {conditions}
                {"" if question.page.position is None else f"AND {distance} >= :since"}
                ORDER BY {distance} LIMIT :fetch),
            nearest AS (
                SELECT e.*, n.distance FROM scanned n JOIN {partition} e USING (instance_id, frame)
                WHERE e.encoder_id = {question.encoder.encoder_id})
            {_TOLD} {_IN_ORDER}
        """
    group = _GROUPS[question.collapse]
    # An instance's patient has an index; the partition has one of series alone.
    of_group = {"series": "e.series_id = g.series_id", "patient": "i.patient_key = g.patient_key"}
    return f"""
        WITH groups AS MATERIALIZED (
            SELECT e.{group}, min({distance}) AS distance
            FROM {partition} e WHERE {conditions} GROUP BY e.{group}
            {"" if question.page.position is None else f"HAVING min({distance}) >= :since"}
            ORDER BY 2 LIMIT :fetch),
        nearest AS (
            SELECT best.*, g.distance FROM groups g CROSS JOIN LATERAL (
                SELECT e.* FROM {partition} e JOIN instance i USING (instance_id)
                WHERE e.encoder_id = {question.encoder.encoder_id} AND {of_group[question.collapse]}
                      AND {distance} = g.distance AND {conditions}
                ORDER BY i.sop_instance_uid COLLATE "C", e.frame LIMIT 1) best)
        {_TOLD} {_IN_ORDER}
    """


def _joins(question: Question) -> str:
    if not question.conditions.of_series:
        return ""
    return " JOIN series s ON s.series_id = e.series_id JOIN study t ON t.study_id = e.study_id"


def _joined(conditions: Sequence[str]) -> str:
    return " AND ".join(conditions) or "true"


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
    conditions = _joined([*question.conditions.own, *([series] if series else [])])
    return (
        f"SELECT count(*) AS rows, count(*) FILTER (WHERE {conditions}) AS passing"
        f" FROM {question.encoder.partition} e"
    )


def estimate_statement(question: Question, series: str | None) -> str:
    """How PostgreSQL would look for all rows that pass, without doing it."""
    conditions = _joined([*question.conditions.own, *([series] if series else [])])
    return (
        "EXPLAIN (FORMAT JSON) SELECT e.instance_id"
        f" FROM {question.encoder.partition} e WHERE {conditions}"
    )
