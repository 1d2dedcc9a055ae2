"""Encoders of the gallery: their rows, partitions and indexes, and the weights kept beside them.

The gallery keeps a copy of the weights that embedded it, so that a newer program with other weights
goes on embedding into the same space. No torch here: the worker hands over what it computed.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert as insert_or_skip

from model.checkpoint import checkpoint_named
from service.db.tables import encoder
from service.errors import ConfigurationError, EncoderMismatch, Unavailable
from service.settings import EncoderSettings
from service.tuning.partitions import tune_partition

# Measured on clustered slices: m=16 lost all neighbours of 1.5 % of the queries, these lose none.
HNSW_M = 32
HNSW_EF_CONSTRUCTION = 128
# pgvector's HNSW indexes `vector` up to 2,000 dimensions; inline storage ends there too.
MAXIMUM_DIMENSION = 2000


@dataclass(frozen=True)
class EncoderDescription:
    """What the gallery must know of an encoder; `basis` is float32 (4096, D), columns orthonormal.

    An embedding is `basis @ coordinates`: distances between coordinates are distances between
    embeddings (docs/architecture.md).
    """

    digest: str
    name: str
    preprocessing: str
    basis: NDArray[np.float32]
    metrics: dict[str, Any]


@dataclass(frozen=True)
class ActiveEncoder:
    """The encoder that answers queries."""

    encoder_id: int
    digest: str
    name: str
    dimension: int

    @property
    def partition(self) -> str:
        """The table that holds this encoder's embeddings; safe to put into SQL."""
        return partition_name(self.encoder_id)


def partition_name(encoder_id: int) -> str:
    """The partition of `embedding` that belongs to an encoder."""
    return f"embedding_encoder_{int(encoder_id)}"


def find_active(connection: Connection) -> ActiveEncoder | None:
    """The active encoder, or None before a worker registered the first."""
    row = connection.execute(
        select(encoder.c.encoder_id, encoder.c.digest, encoder.c.name, encoder.c.dimension).where(
            encoder.c.active
        )
    ).one_or_none()
    return None if row is None else ActiveEncoder(*row)


def get_active(connection: Connection) -> ActiveEncoder:
    """The active encoder.

    Raises:
        Unavailable: no worker has registered one yet.
    """
    active = find_active(connection)
    if active is None:
        raise Unavailable("No encoder is active yet: start the worker (`precuneus worker run`).")
    return active


def load_basis(connection: Connection, encoder_id: int) -> NDArray[np.float32]:
    """An encoder's basis, float32 (4096, D)."""
    data, dimension = connection.execute(
        select(encoder.c.basis, encoder.c.dimension).where(encoder.c.encoder_id == encoder_id)
    ).one()
    return np.frombuffer(data, dtype="<f4").reshape(-1, dimension)


def register(connection: Connection, description: EncoderDescription) -> ActiveEncoder:
    """Make an encoder's row, partition and index if they are new; the first one becomes active.

    Raises:
        ConfigurationError: its coordinates have more dimensions than the index takes.
    """
    dimension = description.basis.shape[1]
    if dimension > MAXIMUM_DIMENSION:
        raise ConfigurationError(
            f"Encoder {description.name} has {dimension} dimensions of freedom; the index takes "
            f"{MAXIMUM_DIMENSION}."
        )
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtext("precuneus encoders"))))
    anyone_active = find_active(connection) is not None
    encoder_id = connection.scalar(
        insert_or_skip(encoder)
        .values(
            digest=description.digest,
            name=description.name,
            preprocessing=description.preprocessing,
            dimension=dimension,
            basis=np.ascontiguousarray(description.basis, dtype="<f4").tobytes(),
            metrics=description.metrics,
            active=not anyone_active,
        )
        .on_conflict_do_nothing(index_elements=[encoder.c.digest])
        .returning(encoder.c.encoder_id)
    )
    if encoder_id is not None:
        _create_partition(connection, encoder_id, dimension)
    row = connection.execute(
        select(encoder.c.encoder_id, encoder.c.digest, encoder.c.name, encoder.c.dimension).where(
            encoder.c.digest == description.digest
        )
    ).one()
    return ActiveEncoder(*row)


def _create_partition(connection: Connection, encoder_id: int, dimension: int) -> None:
    """The partition takes coordinates of one length, inline in the row, under one HNSW index."""
    name = partition_name(encoder_id)
    for statement in (
        f"CREATE TABLE {name} PARTITION OF embedding FOR VALUES IN ({int(encoder_id)})",
        f"ALTER TABLE {name} ALTER COLUMN coordinates SET STORAGE PLAIN,"
        f" ADD CONSTRAINT {name}_dimension_check"
        f" CHECK (vector_dims(coordinates) = {int(dimension)})",
        f"CREATE INDEX {name}_hnsw_idx ON {name}"
        f" USING hnsw ((coordinates::vector({int(dimension)})) vector_l2_ops)"
        f" WITH (m = {HNSW_M}, ef_construction = {HNSW_EF_CONSTRUCTION})",
    ):
        connection.exec_driver_sql(statement)
    tune_partition(connection, name)


def configured_checkpoint(settings: EncoderSettings) -> Path:
    """The file that the settings name.

    Raises:
        CheckpointMissingError: an encoder that should ship with the program is not there.
    """
    if settings.checkpoint in ("default", "dev"):
        return checkpoint_named(settings.checkpoint)
    return Path(settings.checkpoint)


def kept_checkpoint(state_dir: Path, name: str) -> Path:
    """Where the gallery keeps the weights of the encoder called `name`."""
    return state_dir / "encoders" / f"{name}.safetensors"


def choose_checkpoint(connection: Connection, state_dir: Path, configured: Path) -> Path:
    """The weights to embed with: the active encoder's where there is one, else `configured`.

    Raises:
        EncoderMismatch: the gallery has an active encoder, and its weights are nowhere.
    """
    active = find_active(connection)
    if active is None or configured.stem == active.name:
        return configured
    kept = kept_checkpoint(state_dir, active.name)
    if not kept.exists():
        raise EncoderMismatch(
            f"The gallery was embedded by {active.name}, whose weights are missing: put them back "
            f"at {kept}, or name them in PRECUNEUS_ENCODER__CHECKPOINT."
        )
    return kept


def keep_checkpoint(state_dir: Path, checkpoint: Path) -> None:
    """Copy the weights in use into the state folder, whole or not at all."""
    kept = kept_checkpoint(state_dir, checkpoint.stem)
    if kept.exists():
        return
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = kept.with_suffix(".part")
    shutil.copyfile(checkpoint, draft)
    draft.replace(kept)
