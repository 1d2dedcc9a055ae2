"""The rows of encoders: registered, looked up, and which of them is active.

No torch here: the worker, or the command that registers one, hands over what it computed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert as insert_or_skip

from service.db.tables import encoder
from service.encoders.partitions import MAXIMUM_DIMENSION, create_partition, partition_name
from service.errors import ConfigurationError, Unavailable


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
        create_partition(connection, encoder_id, dimension)
    row = connection.execute(
        select(encoder.c.encoder_id, encoder.c.digest, encoder.c.name, encoder.c.dimension).where(
            encoder.c.digest == description.digest
        )
    ).one()
    return ActiveEncoder(*row)
