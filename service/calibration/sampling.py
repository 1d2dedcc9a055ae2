"""Slices of a gallery drawn for its calibration: the same ones as long as the gallery is the same.

Patients are drawn by a hash of their key and slices by a hash of theirs, so that neither the order
of arrival nor a series' length matters.
"""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from service.db.vectors import decode_vector
from service.encoders.registry import ActiveEncoder
from service.evidence.provenance import COUNTED, COUNTED_SOURCES, counted_labels
from service.search.target import EmbeddedSlice

# More rows are not read: a sample of the table's pages gives patients enough.
_ROWS_READ = 200_000
_SLICES = 4000
_MOST_OF_A_PATIENT = 8


@dataclass(frozen=True, eq=False)
class DrawnSlices:
    """N slices with their coordinates (N, D); `first` marks one of each patient."""

    coordinates: NDArray[np.float32]
    patients: tuple[UUID, ...]
    modalities: tuple[str, ...]
    first: NDArray[np.bool_]


def draw_slices(connection: Connection, encoder: ActiveEncoder) -> DrawnSlices:
    """A few slices of each of many patients, 4,000 at most."""
    rows = connection.execute(
        text(f"""
            WITH numbered AS (
                SELECT e.instance_id, e.frame, e.patient_key, e.modality,
                       row_number() OVER (PARTITION BY e.patient_key
                                          ORDER BY {_HASH}, e.instance_id, e.frame) AS turn
                FROM {encoder.partition} e {_pages(connection, encoder)})
            SELECT n.patient_key, n.modality, n.turn, vector_send(e.coordinates) AS coordinates
            FROM (SELECT * FROM numbered WHERE turn <= :most
                  ORDER BY turn, hashtextextended(patient_key::text, 0), patient_key
                  LIMIT :slices) n
                 JOIN {encoder.partition} e USING (instance_id, frame)
            ORDER BY n.turn, hashtextextended(n.patient_key::text, 0), n.patient_key
        """),
        {"most": _MOST_OF_A_PATIENT, "slices": _SLICES},
    ).all()
    found = [decode_vector(row.coordinates) for row in rows]
    return DrawnSlices(
        np.stack(found) if found else np.empty((0, encoder.dimension), np.float32),
        tuple(row.patient_key for row in rows),
        tuple(row.modality for row in rows),
        np.array([row.turn == 1 for row in rows], np.bool_),
    )


_HASH = "hashint8extended(e.instance_id, e.frame)"


def _pages(connection: Connection, encoder: ActiveEncoder) -> str:
    """A TABLESAMPLE clause where the partition is large by the planner's own estimate."""
    estimate = connection.scalar(
        text("SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)"),
        {"name": encoder.partition},
    )
    if estimate is None or estimate <= _ROWS_READ:
        return ""
    return f"TABLESAMPLE SYSTEM ({100.0 * _ROWS_READ / float(estimate):.4f}) REPEATABLE (0)"


@dataclass(frozen=True)
class LabelledSlice:
    """A slice drawn, with the labels of its instance that count."""

    slice: EmbeddedSlice
    labels: tuple[str, ...]


def draw_labelled(
    connection: Connection, encoder: ActiveEncoder, most: int
) -> tuple[LabelledSlice, ...]:
    """One slice of each patient and label that counts, of `most` patients at most, in random order.

    Where there are more, those that come first are as good a sample as all.
    """
    rows = connection.execute(
        text(f"""
            WITH counted AS ({COUNTED}),
            owners AS (SELECT patient_key FROM counted GROUP BY patient_key
                       ORDER BY hashtextextended(patient_key::text, 0), patient_key LIMIT :most),
            drawn AS (
                SELECT DISTINCT ON (c.patient_key, c.label) e.instance_id, e.frame, e.patient_key
                FROM owners JOIN counted c USING (patient_key)
                     JOIN {encoder.partition} e
                          ON e.encoder_id = :encoder_id AND e.instance_id = c.instance_id
                ORDER BY c.patient_key, c.label, {_HASH}, e.instance_id, e.frame)
            SELECT d.instance_id, d.frame, d.patient_key, i.series_id, s.study_id
            FROM (SELECT DISTINCT * FROM drawn) d
                 JOIN instance i USING (instance_id) JOIN series s USING (series_id)
            ORDER BY hashtextextended(d.patient_key::text, 0), d.patient_key, d.instance_id, d.frame
        """),
        {
            "sources": list(COUNTED_SOURCES),
            "most": most,
            "encoder_id": encoder.encoder_id,
        },
    )
    drawn = [EmbeddedSlice(*row) for row in rows]
    labels = counted_labels(connection, {embedded.instance_id for embedded in drawn})
    return tuple(
        LabelledSlice(e, tuple(sorted({found.label for found in labels[e.instance_id]})))
        for e in drawn
    )
