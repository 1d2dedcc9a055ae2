"""Rows with vectors in PostgreSQL's binary COPY format.

Text costs 7-9 ms and 57-79 kB to format one 4,096-d vector; this is a memory copy. Formats: COPY
(PostgreSQL manual, COPY, "Binary Format"), pgvector's `vector_send` (int16 dimension, int16 zero,
float32 each, all big-endian).
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from uuid import UUID

import numpy as np
import psycopg2
from numpy.typing import NDArray
from sqlalchemy.exc import OperationalError

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
_NULL = struct.pack("!i", -1)
_TRAILER = struct.pack("!h", -1)
_TEXT_OID = 25


@dataclass(frozen=True)
class EmbeddingRow:
    """One slice's embedding, and what searches filter by; `coordinates` is float32 (D,).

    `plane` is AXIAL, CORONAL, SAGITTAL or OBLIQUE.
    """

    encoder_id: int
    instance_id: int
    frame: int
    patient_key: UUID
    modality: str
    labels: tuple[str, ...]
    coordinates: NDArray[np.float32]
    series_id: int
    study_id: int
    patient_sex: str | None = None
    patient_age_years: int | None = None
    plane: str | None = None


def copy_embeddings(cursor: Any, table: str, rows: Iterable[EmbeddingRow]) -> None:
    """Write `rows` into `table` (a trusted name) by one binary COPY on a psycopg2 cursor.

    Raises:
        OperationalError: SQLAlchemy's, as for any other statement: the server is gone or full.
        psycopg2.Error: a row does not fit the table.
    """
    data = BytesIO()
    data.write(_SIGNATURE)
    for row in rows:
        data.write(_encode_row(row))
    data.write(_TRAILER)
    data.seek(0)
    statement = (
        f"COPY {table} (encoder_id, instance_id, frame, patient_key, modality, labels, coordinates,"
        " series_id, study_id, patient_sex, patient_age_years, plane) FROM STDIN (FORMAT binary)"
    )
    try:
        cursor.copy_expert(statement, data)
    except psycopg2.OperationalError as error:
        raise OperationalError(statement, None, error) from None


def _encode_row(row: EmbeddingRow) -> bytes:
    fields = (
        struct.pack("!i", row.encoder_id),
        struct.pack("!q", row.instance_id),
        struct.pack("!i", row.frame),
        row.patient_key.bytes,
        row.modality.encode(),
        encode_text_array(row.labels),
        encode_vector(row.coordinates),
        struct.pack("!q", row.series_id),
        struct.pack("!q", row.study_id),
        _encoded(row.patient_sex),
        None if row.patient_age_years is None else struct.pack("!h", row.patient_age_years),
        _encoded(row.plane),
    )
    return struct.pack("!h", len(fields)) + b"".join(_sized(field) for field in fields)


def _encoded(value: str | None) -> bytes | None:
    return None if value is None else value.encode()


def _sized(field: bytes | None) -> bytes:
    """A field after its length; -1 says null."""
    return _NULL if field is None else struct.pack("!i", len(field)) + field


def encode_vector(values: NDArray[np.float32]) -> bytes:
    """A `vector` as pgvector receives it in binary."""
    return struct.pack("!hh", len(values), 0) + values.astype(">f4").tobytes()


def decode_vector(data: bytes | memoryview) -> NDArray[np.float32]:
    """A `vector` as pgvector sends it in binary, float32 (D,)."""
    (dimension,) = struct.unpack_from("!h", data)
    return np.frombuffer(data, dtype=">f4", count=dimension, offset=4).astype(np.float32)


def format_vector(values: NDArray[np.float32]) -> str:
    """A `vector` as text, for a parameter; it reads back as the same float32 numbers."""
    return "[" + ",".join(map(repr, values.astype(np.float64).tolist())) + "]"


def encode_text_array(values: tuple[str, ...]) -> bytes:
    """A one-dimensional `text[]` without nulls, as PostgreSQL receives it in binary."""
    if not values:
        return struct.pack("!iii", 0, 0, _TEXT_OID)
    head = struct.pack("!iiiii", 1, 0, _TEXT_OID, len(values), 1)
    return head + b"".join(_sized(value.encode()) for value in values)
