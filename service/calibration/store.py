"""Where calibrations are kept: one row an encoder."""

import struct
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from service.calibration.figures import Calibration, from_document, to_document
from service.calibration.novelty import Subspace
from service.db.tables import calibration as table
from service.encoders.registry import ActiveEncoder

_DAY_S = 86_400
# A small gallery grows fast, and measuring it is a matter of seconds.
_SMALL_GALLERY_S = 300
_SMALL_GALLERY = 2000


def save(connection: Connection, encoder: ActiveEncoder, found: Calibration) -> datetime:
    """Keep a calibration in place of the encoder's last; the time it is of, now if none is said."""
    values = {
        "figures": to_document(found),
        "subspace": None if found.subspace is None else _encode(found.subspace),
        "computed_at": found.computed_at or func.now(),
    }
    computed_at = connection.scalar(
        insert(table)
        .values(encoder_id=encoder.encoder_id, **values)
        .on_conflict_do_update(index_elements=[table.c.encoder_id], set_=values)
        .returning(table.c.computed_at)
    )
    assert isinstance(computed_at, datetime)
    return computed_at


def load(connection: Connection, encoder: ActiveEncoder) -> Calibration | None:
    """The encoder's calibration, None before the first."""
    row = connection.execute(
        select(table.c.figures, table.c.subspace, table.c.computed_at).where(
            table.c.encoder_id == encoder.encoder_id
        )
    ).one_or_none()
    if row is None:
        return None
    subspace = None if row.subspace is None else _decode(bytes(row.subspace))
    return from_document(row.figures, subspace, row.computed_at)


def is_due(connection: Connection, encoder: ActiveEncoder) -> bool:
    """Whether there is no calibration yet, or slices or labels came since and it is old enough."""
    row = connection.execute(
        select(
            table.c.figures["slices"].as_integer().label("slices"),
            func.extract("epoch", func.now() - table.c.computed_at).label("age"),
            table.c.computed_at,
        ).where(table.c.encoder_id == encoder.encoder_id)
    ).one_or_none()
    if row is None:
        return True
    if row.age < (_SMALL_GALLERY_S if row.slices < _SMALL_GALLERY else _DAY_S):
        return False
    return bool(connection.scalar(text(_CHANGED), {"since": row.computed_at}))


_CHANGED = """
    SELECT EXISTS (SELECT FROM instance WHERE settled_at > :since)
        OR EXISTS (SELECT FROM label WHERE recorded_at > :since OR ended_at > :since)"""


def _encode(subspace: Subspace) -> bytes:
    """The number of directions and of dimensions, the mean, the directions; little-endian."""
    shape = struct.pack("<II", *subspace.directions.shape)
    parts = (subspace.mean, subspace.directions)
    return shape + b"".join(np.ascontiguousarray(p, dtype="<f4").tobytes() for p in parts)


def _decode(data: bytes) -> Subspace:
    count, dimension = struct.unpack_from("<II", data)
    values = np.frombuffer(data, dtype="<f4", offset=8)
    return Subspace(values[:dimension], values[dimension:].reshape(count, dimension))
