"""Embeds a few stored instances anew and compares with the vectors that the gallery has of them.

The network is loaded here, in the command's own process, and only when it is asked for.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, text

from dicom_node.files import ObjectStore
from model.checkpoint import load
from model.errors import ModelError
from service.decoding import DecodePool, Opening, prepare_opening
from service.encoders.files import choose_checkpoint, configured_checkpoint
from service.encoders.registry import ActiveEncoder
from service.errors import EncoderMismatch
from service.settings import Settings
from service.verifying import faults
from service.verifying.faults import Fault
from service.verifying.recall import draw_slices

if TYPE_CHECKING:
    from model.embedder import Embedder

# Euclidean, between unit vectors. A GPU keeps within the first; half precision moves more.
_TOLERANCE = {"float32": 1e-3, "bfloat16": 2e-2}


@dataclass
class Recomputed:
    """How many slices were embedded anew, and what came of it; `notes` say why of none."""

    slices: int = 0
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def recompute(
    engine: Engine,
    store: ObjectStore,
    settings: Settings,
    encoder: ActiveEncoder,
    count: int,
    advance: Callable[[], object] = lambda: None,
) -> Recomputed:
    """Compare about `count` instances' first slices with what the active encoder's weights say.

    Raises:
        SQLAlchemyError: the database failed.
    """
    try:
        embedder = _load(engine, settings, encoder)
    except (ModelError, EncoderMismatch) as error:
        return Recomputed(notes=[f"No vector was computed anew: {error}"])
    with engine.connect() as connection:
        stored = _stored(connection, encoder, count)
    worker = settings.worker
    pool = DecodePool(worker.decode_processes, worker.decode_timeout_s, worker.decode_memory_mb)
    tasks = [(store.path(one.file_name), embedder.preprocess_config) for one in stored]
    found, differ = Recomputed(), []
    with closing(pool):
        for one, opening in zip(stored, pool.run(prepare_opening, tasks), strict=True):
            advance()
            if not isinstance(opening, Opening):
                found.notes.append(f"{one.uid} was not computed anew: {opening.reason}")
                continue
            anew = embedder.coordinates(opening.first.pictures)
            found.slices += len(anew)
            if not _is_same(anew, one.coordinates, _TOLERANCE[worker.precision]):
                differ.append(one.uid)
    if differ:
        found.faults.append(Fault.of(faults.VECTOR_DIFFERS, len(differ), differ))
    return found


def _load(engine: Engine, settings: Settings, encoder: ActiveEncoder) -> "Embedder":
    """The active encoder, ready to embed.

    Raises:
        ModelError, EncoderMismatch: its weights are not at hand, or are not usable.
    """
    from model.embedder import Embedder  # noqa: PLC0415 - loads torch

    with engine.connect() as connection:
        configured = configured_checkpoint(settings.encoder)
        path = choose_checkpoint(connection, settings.state_dir, configured)
    embedder = Embedder(load(path), settings.worker.device, precision=settings.worker.precision)
    if embedder.digest != encoder.digest:
        raise EncoderMismatch(f"{path.name} is another encoder.")
    return embedder


@dataclass(frozen=True)
class _Stored:
    uid: str
    file_name: str
    coordinates: NDArray[np.float32]


def _stored(connection: Connection, encoder: ActiveEncoder, count: int) -> list[_Stored]:
    """Instances drawn at random with the coordinates of all their frames, (frames, D)."""
    ids = {slice_.instance_id for slice_ in draw_slices(connection, encoder, count)}
    rows = connection.execute(
        text(f"""
            SELECT i.sop_instance_uid, i.file_name,
                   array_agg(e.coordinates::real[] ORDER BY e.frame) AS coordinates
            FROM {encoder.partition} e JOIN instance i USING (instance_id)
            WHERE e.instance_id = ANY (:ids) GROUP BY 1, 2"""),
        {"ids": sorted(ids)},
    )
    return [_Stored(uid, name, np.asarray(found, np.float32)) for uid, name, found in rows]


def _is_same(anew: NDArray[np.float32], stored: NDArray[np.float32], tolerance: float) -> bool:
    """Whether the first frames agree; long objects are not decoded to their end."""
    if len(anew) > len(stored):
        return False
    apart = np.linalg.norm(anew - stored[: len(anew)], axis=1)
    return bool((apart <= tolerance).all())
