"""How many of the true neighbours the index finds, on slices drawn from the gallery.

Every query is answered twice, as searches usually are and by comparing everything; the answers are
those that users get.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, text

from service.encoders.registry import ActiveEncoder
from service.errors import InstanceUnknown
from service.search.filters import EVERYTHING
from service.search.found import Neighbour
from service.search.nearest import nearest
from service.search.target import EmbeddedSlice, Target

K = 10
LOWEST_RECALL = 0.99
# Two pictures that are the same lie equally near; which of them is the k-th is a matter of chance.
_TIE = 1e-6


@dataclass(frozen=True)
class Recall:
    """The mean over `queries` of the share of true neighbours found, and the worst of them."""

    mean: float
    worst: float
    worst_sop_instance_uid: str
    queries: int
    lost: int
    k: int = K


def measure_recall(
    connection: Connection,
    encoder: ActiveEncoder,
    queries: int,
    advance: Callable[[], bool | None] = lambda: None,
) -> Recall | None:
    """Recall on `queries` slices drawn at random; None in a gallery without neighbours.

    `advance` is called after each query, and ends the measurement by returning False.

    Raises:
        SQLAlchemyError: the database failed.
    """
    shares: list[tuple[float, int]] = []
    lost = 0
    for slice_ in draw_slices(connection, encoder, queries):
        target = Target.of(slice_)
        try:
            true = nearest(connection, encoder, target, EVERYTHING, k=K, exact=True).neighbours
            found = nearest(connection, encoder, target, EVERYTHING, k=K).neighbours
        except InstanceUnknown:
            # Deleted since it was drawn.
            continue
        if true:
            right = count_right(found, true)
            lost += len(true) - right
            shares.append((right / len(true), slice_.instance_id))
        if advance() is False:
            break
    if not shares:
        return None
    worst, instance_id = min(shares)
    mean = sum(share for share, _ in shares) / len(shares)
    return Recall(mean, worst, _uid(connection, instance_id), len(shares), lost)


def count_right(found: list[Neighbour], true: list[Neighbour]) -> int:
    """How many of what was found is as near as the farthest true neighbour."""
    reach = true[-1].distance + _TIE
    return min(len(true), sum(neighbour.distance <= reach for neighbour in found))


def draw_slices(connection: Connection, encoder: ActiveEncoder, count: int) -> list[EmbeddedSlice]:
    """About `count` different slices, drawn by instance number without reading the table."""
    rows = connection.execute(
        text(f"""
            WITH ends AS (SELECT min(instance_id) AS low, max(instance_id) AS high
                          FROM {encoder.partition}),
            drawn AS MATERIALIZED (
                SELECT low + floor(random() * (high - low + 1))::bigint AS at
                FROM ends, generate_series(1, :count))
            SELECT DISTINCT e.instance_id, e.frame, e.patient_key, s.series_id, s.study_id
            FROM drawn, LATERAL (
                SELECT instance_id, frame, patient_key FROM {encoder.partition}
                WHERE instance_id >= drawn.at ORDER BY instance_id, frame LIMIT 1) e
            JOIN instance i ON i.instance_id = e.instance_id
            JOIN series s ON s.series_id = i.series_id"""),
        {"count": count},
    )
    return [EmbeddedSlice(**row) for row in rows.mappings()]


def _uid(connection: Connection, instance_id: int) -> str:
    statement = text("SELECT sop_instance_uid FROM instance WHERE instance_id = :id")
    return str(connection.scalar(statement, {"id": instance_id}))
