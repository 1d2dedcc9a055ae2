"""What slices of a gallery usually look like to its encoder: their mean, for explanations."""

import time
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select, type_coerce

from service.db.tables import embedding

_SLICES = 10_000  # enough for a steady mean
_FEWEST_SLICES = 20  # the mean of fewer is not what slices usually are
_KEEP_S = 600.0
_KEPT = 64  # modalities come from headers: there may be any number of them

Mean = NDArray[np.float32]


class UsualCoordinates:
    """Mean coordinates by encoder and modality; safe to use from several threads.

    They are of the `slices` slices that came first, by the embeddings' key: as long as none of
    those is deleted, a gallery that has so many always gives the same mean. Each is read once in
    `keep_s` seconds, because a modality of few slices is found only by reading all embeddings.
    """

    def __init__(self, keep_s: float = _KEEP_S, slices: int = _SLICES, kept: int = _KEPT) -> None:
        self._keep_s, self._slices, self._kept = keep_s, slices, kept
        self._lock = Lock()
        self._known: dict[tuple[int, str], tuple[float, Mean | None]] = {}

    def read(self, connection: Connection, encoder_id: int, modality: str) -> Mean | None:
        """Mean coordinates (D,) of slices of a modality, up to `keep_s` seconds old.

        None where there are too few to say what is usual. Two threads never read at once.
        """
        key = (encoder_id, modality)
        with self._lock:
            read_at, mean = self._known.get(key, (-np.inf, None))
            if time.monotonic() - read_at < self._keep_s:
                return mean
            mean = self._read(connection, encoder_id, modality)
            self._known.pop(key, None)
            while len(self._known) >= self._kept:
                del self._known[next(iter(self._known))]
            self._known[key] = time.monotonic(), mean
            return mean

    def _read(self, connection: Connection, encoder_id: int, modality: str) -> Mean | None:
        some = (
            select(embedding.c.coordinates)
            .where(embedding.c.encoder_id == encoder_id, embedding.c.modality == modality)
            .order_by(embedding.c.instance_id, embedding.c.frame)
            .limit(self._slices)
            .subquery()
        )
        mean = type_coerce(func.avg(some.c.coordinates), embedding.c.coordinates.type)
        count, coordinates = connection.execute(select(func.count(), mean).select_from(some)).one()
        return None if count < _FEWEST_SLICES else np.asarray(coordinates, np.float32)
