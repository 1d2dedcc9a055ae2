"""What two encoders' rankings are worth on the same labelled slices, own patients left out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from model.evaluation.measures import average_precision
from model.evaluation.ranking import rank
from service.db.vectors import decode_vector
from service.encoders.registry import ActiveEncoder

_SLICES = 2000
_FEWEST_QUERIES = 20


@dataclass(frozen=True)
class Ranking:
    """Macro mean average precision (mean of the labels' means) of both encoders.

    Each of `slices` labelled slices is asked for among the others; `queries` of them have a
    relevant one of another patient. A slice's first label counts.
    """

    slices: int
    queries: int
    labels: int
    active: float
    filled: float


def compare_rankings(
    connection: Connection, filled: ActiveEncoder, active: ActiveEncoder, slices: int = _SLICES
) -> Ranking | None:
    """Rank a sample, balanced by label, by both; None where too little is labelled to tell."""
    rows = connection.execute(text(_sample(filled, active)), {"slices": slices}).all()
    labels = np.array([row.label for row in rows])
    patients = np.array([row.patient_key.hex for row in rows])
    if len(set(labels)) < 2:
        return None
    own = patients[:, None] == patients[None, :]
    relevant = (labels[:, None] == labels[None, :]) & ~own
    queries = relevant.any(axis=1)
    if queries.sum() < _FEWEST_QUERIES:
        return None
    both = [_macro(_stack([row[n] for row in rows]), own, relevant, labels) for n in (2, 3)]
    return Ranking(len(rows), int(queries.sum()), len(set(labels[queries])), both[0], both[1])


def _sample(filled: ActiveEncoder, active: ActiveEncoder) -> str:
    return f"""
        WITH labelled AS (
            SELECT instance_id, frame, patient_key, labels[1] AS label,
                row_number() OVER (
                    PARTITION BY labels[1] ORDER BY hashint8(instance_id), frame) AS number
            FROM {active.partition} WHERE labels <> '{{}}')
        SELECT l.label, l.patient_key, vector_send(a.coordinates), vector_send(f.coordinates)
        FROM labelled l
             JOIN {active.partition} a USING (instance_id, frame)
             JOIN {filled.partition} f USING (instance_id, frame)
        ORDER BY l.number, l.label LIMIT :slices"""


def _stack(vectors: list[bytes]) -> NDArray[np.float32]:
    return np.stack([decode_vector(vector) for vector in vectors])


def _macro(
    coordinates: NDArray[np.float32],
    own: NDArray[np.bool_],
    relevant: NDArray[np.bool_],
    labels: NDArray[np.str_],
) -> float:
    asked = np.flatnonzero(relevant.any(axis=1))
    order = rank(coordinates[asked], coordinates, own[asked])
    found = average_precision(np.take_along_axis(relevant[asked], order, axis=1))
    means = [float(found[labels[asked] == label].mean()) for label in np.unique(labels[asked])]
    return sum(means) / len(means)
