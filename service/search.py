"""Nearest neighbours by Euclidean distance, found inside PostgreSQL; no vector crosses the wire.

The approximate path walks the HNSW index and sorts what it finds by exact distance; where it comes
back with fewer rows than asked for, or a modality or label is asked for, the exact path answers.
The answer says which way it was found.
"""

from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Row, select, text

from service.db.tables import embedding, instance
from service.dropped import why_absent
from service.encoders.registry import ActiveEncoder, get_active
from service.errors import InstancePending, InvalidParameter, NotSearchable

MAXIMUM_K = 500
# Wide enough that no query over real slices lost a neighbour (docs/benchmarks.md).
_MINIMUM_EF_SEARCH = 400
_MAXIMUM_EF_SEARCH = 1000


@dataclass(frozen=True)
class Query:
    """What is asked: a slice of the gallery and what its neighbours must be."""

    sop_instance_uid: str
    frame: int = 1
    k: int = 5
    same_patient: bool = False
    modality: str | None = None
    label: str | None = None
    exact: bool = False


@dataclass(frozen=True)
class Neighbour:
    """A slice found; `distance` is Euclidean, between 4,096-d unit vectors (0 to 2)."""

    rank: int
    sop_instance_uid: str
    frame: int
    series_instance_uid: str
    study_instance_uid: str
    modality: str
    distance: float
    labels: list[str]


@dataclass(frozen=True)
class Answer:
    """The neighbours, nearest first, and how they were found.

    `complete` says that no nearer slice can be missing for want of rows: there are k neighbours, or
    all that the filters leave.
    """

    query: Query
    encoder: ActiveEncoder
    method: Literal["hnsw", "exact"]
    complete: bool
    neighbours: list[Neighbour] = field(default_factory=list)


@dataclass(frozen=True)
class EmbeddedSlice:
    """A slice that has an embedding, by the database's own keys."""

    instance_id: int
    patient_key: UUID


def similar(connection: Connection, query: Query) -> Answer:
    """The k slices nearest to the query's, by default of other patients only.

    Raises:
        InvalidParameter: k or frame is out of range.
        InstanceUnknown, InstancePending, NotSearchable: the query's slice has no embedding.
        Unavailable: no encoder is active.
    """
    if not 1 <= query.k <= MAXIMUM_K:
        raise InvalidParameter(f"k must lie between 1 and {MAXIMUM_K}.")
    encoder, anchor = find_slice(connection, query.sop_instance_uid, query.frame)
    parameters = {
        "encoder_id": encoder.encoder_id,
        "instance_id": anchor.instance_id,
        "frame": query.frame,
        "patient_key": anchor.patient_key,
        "modality": query.modality,
        "label": query.label,
        "k": query.k,
        # The index returns its later rounds only roughly in order: sort some more than needed.
        "fetch": 2 * query.k + 20,
    }
    # A filter that points away from the query makes the walk through the index lose neighbours.
    is_filtered = query.modality is not None or query.label is not None
    if not query.exact and not is_filtered:
        rows = _search_hnsw(connection, encoder, query, parameters)
        if len(rows) == query.k:
            return Answer(query, encoder, "hnsw", True, _neighbours(rows))
    rows = list(connection.execute(text(_statement(encoder, query, "coordinates")), parameters))
    return Answer(query, encoder, "exact", True, _neighbours(rows))


def find_slice(
    connection: Connection, sop_instance_uid: str, frame: int
) -> tuple[ActiveEncoder, EmbeddedSlice]:
    """The active encoder, and the slice as it embedded it.

    Raises:
        InstanceUnknown, InstancePending, NotSearchable, InvalidParameter: it has no embedding.
        Unavailable: no encoder is active.
    """
    found = connection.execute(
        select(
            instance.c.instance_id,
            instance.c.state,
            instance.c.reason,
            instance.c.frames,
            instance.c.patient_key,
        ).where(instance.c.sop_instance_uid == sop_instance_uid)
    ).one_or_none()
    if found is None:
        raise why_absent(connection, sop_instance_uid)
    if found.state == "pending":
        raise InstancePending(f"{sop_instance_uid} has arrived but is not embedded yet.")
    if found.state != "embedded":
        raise NotSearchable(f"{sop_instance_uid} is {found.state}: {found.reason}")
    encoder = get_active(connection)
    if not _is_embedded(connection, encoder, found.instance_id, frame):
        raise InvalidParameter(
            f"{sop_instance_uid} has no frame {frame}; its frames are 1 to {found.frames}."
        )
    return encoder, EmbeddedSlice(found.instance_id, found.patient_key)


def _is_embedded(
    connection: Connection, encoder: ActiveEncoder, instance_id: int, frame: int
) -> bool:
    found = select(embedding.c.frame).where(
        embedding.c.encoder_id == encoder.encoder_id,
        embedding.c.instance_id == instance_id,
        embedding.c.frame == frame,
    )
    return connection.scalar(found) is not None


def _search_hnsw(
    connection: Connection, encoder: ActiveEncoder, query: Query, parameters: dict[str, Any]
) -> list[Row[*tuple[Any, ...]]]:
    ef_search = min(_MAXIMUM_EF_SEARCH, max(_MINIMUM_EF_SEARCH, 4 * query.k))
    # Small tables tempt the planner to read them whole; the path chosen is the one reported.
    with connection.begin_nested():
        connection.exec_driver_sql(
            f"SET LOCAL hnsw.ef_search = {ef_search};"
            "SET LOCAL hnsw.iterative_scan = relaxed_order;"
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;"
        )
        indexed = f"coordinates::vector({encoder.dimension})"
        rows = list(connection.execute(text(_statement(encoder, query, indexed)), parameters))
        connection.exec_driver_sql("RESET enable_seqscan; RESET enable_bitmapscan")
    return rows


def _statement(encoder: ActiveEncoder, query: Query, coordinates: str) -> str:
    """The search in SQL; `coordinates` is the indexed expression, or the bare column for a scan."""
    # Every part comes from this file or is an integer; the caller's values are bound parameters.
    filters = ["(e.instance_id, e.frame) <> (:instance_id, :frame)"]
    if not query.same_patient:
        filters.append("e.patient_key <> :patient_key")
    if query.modality is not None:
        filters.append("e.modality = :modality")
    if query.label is not None:
        filters.append(":label = ANY (e.labels)")
    distance = (
        f"e.{coordinates} <-> (SELECT q.coordinates FROM {encoder.partition} q"
        " WHERE q.encoder_id = :encoder_id AND q.instance_id = :instance_id AND q.frame = :frame)"
    )
    return f"""
        WITH nearest AS MATERIALIZED (
            SELECT e.instance_id, e.frame, e.modality, e.labels, {distance} AS distance
            FROM {encoder.partition} e
            WHERE {" AND ".join(filters)}
            ORDER BY {distance} LIMIT :fetch)
        SELECT i.sop_instance_uid, n.frame, s.series_instance_uid, t.study_instance_uid,
               n.modality, n.distance, n.labels
        FROM (SELECT * FROM nearest ORDER BY distance LIMIT :k) n
             JOIN instance i USING (instance_id)
             JOIN series s USING (series_id)
             JOIN study t USING (study_id)
        ORDER BY n.distance, i.sop_instance_uid, n.frame
    """


def _neighbours(rows: list[Row[*tuple[Any, ...]]]) -> list[Neighbour]:
    return [Neighbour(rank, *row) for rank, row in enumerate(rows, start=1)]
