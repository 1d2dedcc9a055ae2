"""Slices of the gallery with their coordinates, by one binary COPY: whole rows become an array.

Formats as in service.db.vectors. As the columns are never null and of fixed length, each row has
the same number of bytes, and nothing is decoded number by number.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, Literal

import numpy as np
import psycopg2
from numpy.typing import NDArray
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from service.encoders.registry import ActiveEncoder

Unit = Literal["study", "series"]
Rows = NDArray[np.void]
"""Records: study_id, series_id, instance_id, frame, patient_key (16 bytes), coordinates (D,)."""

_HEADER_BYTES = 19
_TRAILER_BYTES = 2
_BLOCK_ROWS = 4096
_COLUMNS: tuple[tuple[str, str], ...] = (
    ("study_id", ">i8"),
    ("series_id", ">i8"),
    ("instance_id", ">i8"),
    ("frame", ">i4"),
    ("patient_key", "V16"),
)


def read_rows(
    connection: Connection,
    encoder: ActiveEncoder,
    where: str,
    values: Mapping[str, Any],
    order: str = "",
) -> Rows:
    """The slices (e) of `encoder` that `where` leaves; `where` and `order` are trusted SQL.

    Raises:
        OperationalError: SQLAlchemy's: the server is gone.
    """
    blocks: list[Rows] = []
    stream_rows(connection, encoder, where, values, blocks.append, order)
    return np.concatenate([np.zeros(0, _record(encoder.dimension)), *blocks])


def stream_rows(
    connection: Connection,
    encoder: ActiveEncoder,
    where: str,
    values: Mapping[str, Any],
    take: Callable[[Rows], None],
    order: str = "",
) -> None:
    """Hand the same slices to `take` in blocks, so that they need not fit into memory.

    Raises:
        OperationalError: SQLAlchemy's: the server is gone.
    """
    columns = ", ".join(f"e.{name}" for name, _ in _COLUMNS)
    chosen = (
        f"SELECT {columns}, e.coordinates FROM {encoder.partition} e"
        " JOIN instance i USING (instance_id) JOIN series s ON s.series_id = e.series_id"
        f" JOIN study t ON t.study_id = e.study_id WHERE {where} {order}"
    )
    blocks = _Blocks(_record(encoder.dimension), take)
    statement = str(text(chosen).compile(dialect=connection.dialect))
    with closing(connection.connection.cursor()) as cursor:
        try:
            bound = cursor.mogrify(statement, dict(values)).decode()
            cursor.copy_expert(f"COPY ({bound}) TO STDOUT (FORMAT binary)", blocks)
        except psycopg2.OperationalError as error:
            raise OperationalError(statement, None, error) from None
    blocks.end()


def _record(dimension: int) -> np.dtype[np.void]:
    """A row as COPY sends it: the number of fields, then each field after its length."""
    parts: list[tuple[Any, ...]] = [("fields", ">i2")]
    for name, kind in _COLUMNS:
        parts += [(f"{name} bytes", ">i4"), (name, kind)]
    parts += [("vector bytes", ">i4"), ("dimension", ">i2"), ("unused", ">i2")]
    return np.dtype([*parts, ("coordinates", ">f4", (dimension,))])


class _Blocks:
    """What COPY writes to: gathers bytes and hands on whole rows."""

    def __init__(self, record: np.dtype[np.void], take: Callable[[Rows], None]) -> None:
        self._record, self._take = record, take
        self._bytes = bytearray()
        self._begin = _HEADER_BYTES

    def write(self, data: bytes) -> int:
        self._bytes += data
        if len(self._bytes) - self._begin >= _BLOCK_ROWS * self._record.itemsize + _TRAILER_BYTES:
            self._hand_on((len(self._bytes) - self._begin) // self._record.itemsize)
        return len(data)

    def end(self) -> None:
        """Hand on what is left before the trailer."""
        left = len(self._bytes) - self._begin - _TRAILER_BYTES
        rows, rest = divmod(left, self._record.itemsize)
        if rest:
            raise ValueError("the rows that came back are not of the length that they should be")
        self._hand_on(rows)

    def _hand_on(self, rows: int) -> None:
        if rows:
            end = self._begin + rows * self._record.itemsize
            found = np.frombuffer(bytes(self._bytes[self._begin : end]), self._record)
            del self._bytes[:end]
            self._begin = 0
            self._take(found)


def coordinates_of(rows: Rows) -> NDArray[np.float32]:
    """Their coordinates in the machine's own byte order, (N, D)."""
    return rows["coordinates"].astype(np.float32)
