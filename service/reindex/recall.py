"""What an encoder's index finds of what an exact search finds, on a sample of its slices."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from service.encoders.registry import ActiveEncoder
from service.search.filters import Filters
from service.search.nearest import nearest
from service.search.target import EmbeddedSlice, Target

_QUERIES = 100
_AT = 10
# Distances of the two ways differ in the last digits of float32.
_SAME = 1e-6


@dataclass(frozen=True)
class Recall:
    """Mean share of the exact `at` nearest that the index found, over `queries` slices."""

    queries: int
    at: int
    recall: float
    worst: float


def measure_recall(
    connection: Connection, encoder: ActiveEncoder, queries: int = _QUERIES
) -> Recall | None:
    """Compare the two ways on slices drawn by their numbers' hash; None where there are none.

    Neighbours count by their distance, so that a tie is no miss.
    """
    shares = [_share(connection, encoder, at) for at in _sample(connection, encoder, queries)]
    found = [share for share in shares if share is not None]
    if not found:
        return None
    return Recall(len(found), _AT, sum(found) / len(found), min(found))


def _sample(connection: Connection, encoder: ActiveEncoder, count: int) -> list[EmbeddedSlice]:
    rows = connection.execute(
        text(
            "SELECT instance_id, frame, patient_key, series_id, study_id"
            f" FROM {encoder.partition} ORDER BY hashint8(instance_id), frame LIMIT :count"
        ),
        {"count": count},
    )
    return [EmbeddedSlice(*row) for row in rows]


def _share(connection: Connection, encoder: ActiveEncoder, at: EmbeddedSlice) -> float | None:
    target, unfiltered = Target.of(at), Filters()
    exact = nearest(connection, encoder, target, unfiltered, k=_AT, exact=True).neighbours
    if not exact:
        return None
    quick = nearest(connection, encoder, target, unfiltered, k=_AT).neighbours
    limit = exact[-1].distance + _SAME
    return min(1.0, sum(n.distance <= limit for n in quick) / len(exact))
