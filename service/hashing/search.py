"""Nearest neighbours by codes: the codes that differ in fewest bits, put in order by true distance.

Unlike `service.search.nearest` it does not promise all true neighbours: docs/hash.md says how many
it finds. It never answers with fewer rows than there are.
"""

from typing import Any

from sqlalchemy import Connection, Row, text

from service.db.vectors import format_vector
from service.encoders.registry import ActiveEncoder
from service.errors import NotSearchable
from service.hashing.tables import CodeTable, has_codes
from service.search.conditions import Conditions, conditions_of
from service.search.filters import Filters
from service.search.found import Found, Neighbour
from service.search.nearest import nearest
from service.search.target import Target

# Measured on clustered slices (docs/hash.md).
_CANDIDATES = 400
_CANDIDATES_EACH = 20
_MAXIMUM_EF_SEARCH = 1000


def hashed_nearest(
    connection: Connection,
    encoder: ActiveEncoder,
    target: Target,
    filters: Filters,
    *,
    k: int,
    offset: int = 0,
    same_patient: bool = False,
    candidates: int | None = None,
) -> Found:
    """About the k slices nearest to `target` after the first `offset`, with their true distances.

    `candidates` rows with the nearest codes are compared exactly. Where the codes lead to fewer
    than k rows, the exact search answers.

    Raises:
        InvalidParameter: a filter contradicts itself.
        NotSearchable: this gallery's encoder has no codes.
    """
    if not has_codes(connection, encoder.encoder_id):
        raise NotSearchable(
            "The active encoder has no codes: `precuneus index hash --bits 128` makes them."
        )
    filters.check()
    candidates = candidates or max(_CANDIDATES, _CANDIDATES_EACH * (k + offset))
    conditions = conditions_of(target, filters, same_patient=same_patient)
    values = conditions.values | {"candidates": candidates, "k": k, "offset": offset}
    values |= {"encoder_id": encoder.encoder_id}
    if target.coordinates is not None:
        values["coordinates"] = format_vector(target.coordinates)
    rows = _search(connection, _statement(encoder, target, conditions), values, candidates)
    if len(rows) < k:
        page: dict[str, Any] = {"k": k, "offset": offset, "same_patient": same_patient}
        return nearest(connection, encoder, target, filters, **page, exact=True)
    found = [Neighbour(rank, *row) for rank, row in enumerate(rows, start=offset + 1)]
    return Found(found, "hash", True)


def _search(
    connection: Connection, statement: str, values: dict[str, Any], candidates: int
) -> list[Row[*tuple[Any, ...]]]:
    with connection.begin_nested():
        connection.exec_driver_sql(
            f"SET LOCAL hnsw.ef_search = {min(_MAXIMUM_EF_SEARCH, candidates)};"
            "SET LOCAL hnsw.iterative_scan = relaxed_order;"
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;"
            "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;"
        )
        rows = list(connection.execute(text(statement), values))
        connection.exec_driver_sql(
            "RESET enable_seqscan; RESET enable_bitmapscan; RESET enable_hashjoin;"
            "RESET enable_mergejoin"
        )
    return rows


def _statement(encoder: ActiveEncoder, target: Target, conditions: Conditions) -> str:
    """The search in SQL: its parts are this program's own, the caller's values are bound."""
    table = CodeTable(encoder.encoder_id)
    wanted = list(conditions.own)
    if conditions.of_series:
        wanted.append(
            "e.series_id = ANY (ARRAY(SELECT s.series_id FROM series s JOIN study t USING"
            f" (study_id) WHERE {' AND '.join(conditions.of_series)}))"
        )
    point = f"CAST(:coordinates AS vector({encoder.dimension}))"
    code = f"(SELECT {table.code_of}({point}))"
    if target.slice is not None:
        of_slice = "q.instance_id = :instance_id AND q.frame = :frame"
        point = (
            f"(SELECT q.coordinates FROM {encoder.partition} q"
            f" WHERE q.encoder_id = :encoder_id AND {of_slice})"
        )
        code = f"(SELECT q.code FROM {table.codes} q WHERE {of_slice})"
    return f"""
        WITH candidate AS MATERIALIZED (
            SELECT e.instance_id, e.frame, e.series_id, e.study_id, e.patient_key, e.modality,
                   e.labels, e.coordinates <-> {point} AS distance
            FROM {table.codes} c JOIN {encoder.partition} e ON e.encoder_id = :encoder_id
                AND e.instance_id = c.instance_id AND e.frame = c.frame
            WHERE {" AND ".join(wanted) or "true"}
            ORDER BY c.code <~> {code} LIMIT :candidates)
        SELECT i.sop_instance_uid, n.frame, s.series_instance_uid, t.study_instance_uid,
               n.modality, n.distance, n.labels,
               n.instance_id, n.patient_key, n.series_id, n.study_id
        FROM candidate n
             JOIN instance i USING (instance_id)
             JOIN series s ON s.series_id = n.series_id
             JOIN study t ON t.study_id = n.study_id
        ORDER BY n.distance, i.sop_instance_uid COLLATE "C", n.frame
        LIMIT :k OFFSET :offset
    """
