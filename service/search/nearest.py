"""The search itself: chooses between the index and the exact path, and answers with k rows.

The approximate path walks the HNSW index and sorts what it finds by exact distance. Whatever could
make the walk lose neighbours goes the exact way.
"""

from typing import Any, Literal

from sqlalchemy import Connection, Row, text

from service.db.vectors import format_vector
from service.encoders import ActiveEncoder
from service.errors import InvalidParameter
from service.search.conditions import Conditions, conditions_of
from service.search.filters import Filters
from service.search.found import Found, Neighbour, ScanReport, Step
from service.search.target import Target

MAXIMUM_RANK = 500
Collapse = Literal["none", "series", "patient"]
# Wide enough that no query over real slices lost a neighbour (docs/benchmarks.md).
_MINIMUM_EF_SEARCH = 400
_MAXIMUM_EF_SEARCH = 1000
_GROUPS = {"series": "series_id", "patient": "patient_key"}


def nearest(
    connection: Connection,
    encoder: ActiveEncoder,
    target: Target,
    filters: Filters,
    *,
    k: int,
    offset: int = 0,
    same_patient: bool = False,
    collapse: Collapse = "none",
    exact: bool = False,
    explain: bool = False,
) -> Found:
    """The k slices nearest to `target` after the first `offset`, of those that pass `filters`.

    `collapse` keeps the nearest slice of each series or patient. Equal distances are put in the
    order of SOP Instance UID and frame.

    Raises:
        InvalidParameter: k or offset is out of range, or the filters contradict themselves.
    """
    if not (k >= 1 and offset >= 0 and k + offset <= MAXIMUM_RANK):
        raise InvalidParameter(f"k must lie between 1 and {MAXIMUM_RANK}, offset included.")
    filters.check()
    conditions = conditions_of(target, filters, same_patient=same_patient)
    values = conditions.values | _target_values(encoder, target) | {"k": k, "offset": offset}
    wanted = k + offset
    if not exact and filters.is_empty and collapse == "none":
        rows = _search_hnsw(connection, encoder, target, conditions, values, wanted)
        if len(rows) == k:
            return Found(_neighbours(rows, offset), "hnsw", True, _report(explain))
    statement = _statement(encoder, target, conditions, "coordinates", collapse)
    rows = list(connection.execute(text(statement), values | {"fetch": wanted}))
    return Found(_neighbours(rows, offset), "exact", True, _report(explain))


def _report(explain: bool) -> ScanReport | None:
    return ScanReport(0, 0, 0, "", (Step("", None, 0.0),)) if explain else None


def _target_values(encoder: ActiveEncoder, target: Target) -> dict[str, Any]:
    if target.slice is None:
        assert target.coordinates is not None
        return {"coordinates": format_vector(target.coordinates)}
    return {"encoder_id": encoder.encoder_id}


def _search_hnsw(
    connection: Connection,
    encoder: ActiveEncoder,
    target: Target,
    conditions: Conditions,
    values: dict[str, Any],
    wanted: int,
) -> list[Row[*tuple[Any, ...]]]:
    ef_search = min(_MAXIMUM_EF_SEARCH, max(_MINIMUM_EF_SEARCH, 4 * wanted))
    # Small tables tempt the planner to read them whole; the path chosen is the one reported.
    with connection.begin_nested():
        connection.exec_driver_sql(
            f"SET LOCAL hnsw.ef_search = {ef_search};"
            "SET LOCAL hnsw.iterative_scan = relaxed_order;"
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;"
        )
        indexed = f"coordinates::vector({encoder.dimension})"
        statement = _statement(encoder, target, conditions, indexed, "none")
        # The index returns its later rounds only roughly in order: sort some more than needed.
        rows = list(connection.execute(text(statement), values | {"fetch": 2 * wanted + 20}))
        connection.exec_driver_sql("RESET enable_seqscan; RESET enable_bitmapscan")
    return rows


def _statement(
    encoder: ActiveEncoder,
    target: Target,
    conditions: Conditions,
    coordinates: str,
    collapse: Collapse,
) -> str:
    """The search in SQL; `coordinates` is the indexed expression, or the bare column for a scan."""
    # Every part comes from this package or is an integer; the caller's values are bound parameters.
    wanted = list(conditions.own)
    if conditions.of_series:
        wanted.append(
            "e.series_id = ANY (ARRAY(SELECT s.series_id FROM series s JOIN study t USING"
            f" (study_id) WHERE {' AND '.join(conditions.of_series)}))"
        )
    point = f"CAST(:coordinates AS vector({encoder.dimension}))"
    if target.slice is not None:
        point = (
            f"(SELECT q.coordinates FROM {encoder.partition} q WHERE q.encoder_id = :encoder_id"
            " AND q.instance_id = :instance_id AND q.frame = :frame)"
        )
    distance = f"e.{coordinates} <-> {point}"
    nearest_rows = f"""
        SELECT e.instance_id, e.frame, e.series_id, e.study_id, e.patient_key, e.modality,
               e.labels, {distance} AS distance
        FROM {encoder.partition} e
        WHERE {" AND ".join(wanted) or "true"}
    """
    if collapse == "none":
        nearest_rows += f" ORDER BY {distance} LIMIT :fetch"
        kept = "SELECT * FROM nearest"
    else:
        group = _GROUPS[collapse]
        kept = (
            f"SELECT DISTINCT ON ({group}) n.* FROM nearest n JOIN instance USING (instance_id)"
            f' ORDER BY {group}, distance, sop_instance_uid COLLATE "C", n.frame'
        )
    return f"""
        WITH nearest AS MATERIALIZED ({nearest_rows}), kept AS ({kept})
        SELECT i.sop_instance_uid, n.frame, s.series_instance_uid, t.study_instance_uid,
               n.modality, n.distance, n.labels,
               n.instance_id, n.patient_key, n.series_id, n.study_id
        FROM kept n
             JOIN instance i USING (instance_id)
             JOIN series s ON s.series_id = n.series_id
             JOIN study t ON t.study_id = n.study_id
        ORDER BY n.distance, i.sop_instance_uid COLLATE "C", n.frame
        LIMIT :k OFFSET :offset
    """


def _neighbours(rows: list[Row[*tuple[Any, ...]]], offset: int) -> list[Neighbour]:
    return [Neighbour(rank, *row) for rank, row in enumerate(rows, start=offset + 1)]
