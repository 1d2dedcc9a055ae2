"""Nearest neighbours by codes: the codes that differ in fewest bits, put in order by true distance.

Unlike `service.search.nearest` it does not promise all true neighbours: docs/hash.md says how many
it finds. It never answers with fewer rows than there are.
"""

from typing import Any

from sqlalchemy import Connection, Row, text

from service.encoders.registry import ActiveEncoder
from service.errors import NotSearchable
from service.hashing.tables import CodeTable, has_codes
from service.search.filters import Filters
from service.search.found import Found, Neighbour, Position
from service.search.nearest import nearest
from service.search.question import Page, Question, ask
from service.search.scanning import require_point
from service.search.target import Target

# Measured on clustered slices (docs/hash.md).
_CANDIDATES = 1000
_EACH = 100
_MAXIMUM_EF_SEARCH = 1000


def hashed_nearest(
    connection: Connection,
    encoder: ActiveEncoder,
    target: Target,
    filters: Filters,
    *,
    k: int,
    offset: int = 0,
    after: Position | None = None,
    same_patient: bool = False,
    candidates: int | None = None,
) -> Found:
    """About the k slices nearest to `target`, with their true distances; else as `nearest`.

    `candidates` rows with the nearest codes are compared exactly. Where the codes lead to fewer
    than k rows, the exact search answers.

    Raises:
        InvalidParameter: k or offset is out of range, or the filters contradict themselves.
        NotSearchable: this gallery's encoder has no codes.
        InstanceUnknown: the target's slice was deleted a moment ago.
    """
    if not has_codes(connection, encoder.encoder_id):
        raise NotSearchable(
            "The active encoder has no codes: `precuneus index hash --bits 256` makes them."
        )
    page = Page(k, offset, after)
    question = ask(encoder, target, filters, page=page, same_patient=same_patient, collapse="none")
    wanted = candidates or max(_CANDIDATES, _EACH * (page.rank_before + k))
    rows = _search(connection, question, wanted)
    require_point(connection, question)
    if len(rows) < k:
        which: dict[str, Any] = {"k": k, "offset": offset, "after": after}
        which["same_patient"] = same_patient
        return nearest(connection, encoder, target, filters, **which, exact=True)
    begins = page.rank_before + 1
    return Found([Neighbour(rank, *row) for rank, row in enumerate(rows, begins)], "hash", True)


def _search(
    connection: Connection, question: Question, candidates: int
) -> list[Row[*tuple[Any, ...]]]:
    page = question.page
    values = question.values | {"candidates": candidates, "k": page.k, "offset": page.offset}
    if page.position is not None:
        values["since_uid"] = page.position.sop_instance_uid
        values["since_frame"] = page.position.frame
    with connection.begin_nested():
        connection.exec_driver_sql(
            f"SET LOCAL hnsw.ef_search = {min(_MAXIMUM_EF_SEARCH, candidates)};"
            "SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL jit = off;"
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;"
            "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
        )
        rows = list(connection.execute(text(_statement(question)), values))
        connection.exec_driver_sql(
            "RESET enable_seqscan; RESET enable_bitmapscan; RESET enable_hashjoin;"
            "RESET enable_mergejoin"
        )
    return rows


def _statement(question: Question) -> str:
    """The search in SQL: its parts are this program's own, the caller's values are bound."""
    table = CodeTable(question.encoder.encoder_id)
    wanted = [f"e.encoder_id = {table.encoder_id}", *question.conditions.own]
    if question.conditions.of_series:
        wanted.append(
            "e.series_id = ANY (ARRAY(SELECT s.series_id FROM series s JOIN study t USING"
            f" (study_id) WHERE {' AND '.join(question.conditions.of_series)}))"
        )
    place = '(n.distance, i.sop_instance_uid COLLATE "C", n.frame)'
    later = f"WHERE {place} > (:since, :since_uid, :since_frame)" if question.page.position else ""
    return f"""
        WITH candidate AS MATERIALIZED (
            SELECT e.instance_id, e.frame, e.series_id, e.study_id, e.patient_key, e.modality,
                   e.labels, e.coordinates <-> {question.point} AS distance
            FROM {table.codes} c JOIN {table.partition} e
                ON e.instance_id = c.instance_id AND e.frame = c.frame
            WHERE {" AND ".join(wanted)}
            ORDER BY c.code <~> {_code(question, table)} LIMIT :candidates)
        SELECT i.sop_instance_uid, n.frame, s.series_instance_uid, t.study_instance_uid,
               n.modality, n.distance, n.labels,
               n.instance_id, n.patient_key, n.series_id, n.study_id
        FROM candidate n
             JOIN instance i USING (instance_id)
             JOIN series s ON s.series_id = n.series_id
             JOIN study t ON t.study_id = n.study_id
        {later}
        ORDER BY n.distance, i.sop_instance_uid COLLATE "C", n.frame
        LIMIT :k OFFSET :offset
    """


def _code(question: Question, table: CodeTable) -> str:
    """The query's code, as SQL."""
    if question.target.slice is None:
        return f"(SELECT {table.code_of}({question.point}))"
    return (
        f"(SELECT q.code FROM {table.codes} q"
        " WHERE q.instance_id = :instance_id AND q.frame = :frame)"
    )
