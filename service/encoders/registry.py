"""The rows of encoders: registered, looked up, and which of them is active.

No torch here: the worker, or the command that registers one, hands over what it computed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as insert_or_skip

from service.db.tables import encoder
from service.encoders.partitions import (
    create_index,
    create_partition,
    indexed_dimension,
    partition_name,
)
from service.errors import EncoderUnknown, InvalidParameter, Unavailable

EncoderState = Literal["registered", "filling", "held", "ready", "active", "retired"]
"""What becomes of an encoder:

registered  known, with its weights; it embeds nothing (a cancelled reindex leaves it here, too)
filling     a reindex embeds the gallery with it, and what arrives meanwhile
held        filled, but its gate did not pass: `activate --force` is needed
ready       filled, its gate passed or it was active before; it may answer at any time
active      it answers queries
retired     its embeddings are dropped; row and weights stay
"""

FOLLOWED = ("filling", "held", "ready")
"""States in which an encoder embeds what the active one has embedded."""


@dataclass(frozen=True)
class EncoderDescription:
    """What the gallery must know of an encoder; `basis` is float32 (4096, D), columns orthonormal.

    An embedding is `basis @ coordinates`: distances between coordinates are distances between
    embeddings (docs/architecture.md). Of more than 2,000 columns the index holds the leading 256:
    any are right, and searches are fast if slices differ most along them (`model.turning`).
    """

    digest: str
    name: str
    preprocessing: str
    basis: NDArray[np.float32]
    metrics: dict[str, Any]


@dataclass(frozen=True)
class ActiveEncoder:
    """An encoder with its partition: the one that answers queries, unless another is said."""

    encoder_id: int
    digest: str
    name: str
    dimension: int

    @property
    def partition(self) -> str:
        """The table that holds this encoder's embeddings; safe to put into SQL."""
        return partition_name(self.encoder_id)

    @property
    def is_projected(self) -> bool:
        """Whether the index holds a part of the coordinates, which lie out of the rows."""
        return indexed_dimension(self.dimension) < self.dimension


@dataclass(frozen=True)
class EncoderFacts:
    """An encoder's row, but for its basis."""

    encoder_id: int
    name: str
    digest: str
    dimension: int
    state: EncoderState
    preprocessing: str
    metrics: dict[str, Any]
    registered_at: datetime

    @property
    def searched(self) -> ActiveEncoder:
        """The same as a search takes it."""
        return ActiveEncoder(self.encoder_id, self.digest, self.name, self.dimension)


_LOCK = "hashtext('precuneus encoders')"
_FACTS = [encoder.c[name] for name in EncoderFacts.__annotations__]


def hold_encoders(connection: Connection) -> None:
    """Hold off changes of state until the caller's transaction ends; writers share this."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({_LOCK})")


def change_encoders(connection: Connection) -> None:
    """Wait for writers' transactions and hold off new ones until the caller's has ended."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def find_active(connection: Connection) -> ActiveEncoder | None:
    """The active encoder, or None before a worker registered the first."""
    row = connection.execute(_ACTIVE).one_or_none()
    return None if row is None else ActiveEncoder(*row)


# Asked with every search, so without what only lists of encoders show.
_ACTIVE = select(encoder.c.encoder_id, encoder.c.digest, encoder.c.name, encoder.c.dimension).where(
    encoder.c.state == "active"
)


def get_active(connection: Connection) -> ActiveEncoder:
    """The active encoder.

    Raises:
        Unavailable: no worker has registered one yet.
    """
    active = find_active(connection)
    if active is None:
        raise Unavailable("No encoder is active yet: start the worker (`precuneus worker run`).")
    return active


def list_encoders(connection: Connection, *states: str) -> list[EncoderFacts]:
    """All encoders, or those in one of `states`, by their numbers."""
    statement = select(*_FACTS).order_by(encoder.c.encoder_id)
    if states:
        statement = statement.where(encoder.c.state.in_(states))
    return [EncoderFacts(*row) for row in connection.execute(statement)]


def find_encoder(connection: Connection, named: str) -> EncoderFacts:
    """The encoder with that number or name, or whose name or digest begins so.

    Raises:
        EncoderUnknown: there is none.
        InvalidParameter: there are several.
    """
    everyone = list_encoders(connection)
    found = [e for e in everyone if named in (str(e.encoder_id), e.name)] or [
        e for e in everyone if named and (e.name.startswith(named) or e.digest.startswith(named))
    ]
    if not found:
        raise EncoderUnknown(f"No encoder {named} is registered; see `precuneus encoder list`.")
    if len(found) > 1:
        raise InvalidParameter(f"Several encoders begin with {named}: give more of the name.")
    return found[0]


def load_basis(connection: Connection, encoder_id: int) -> NDArray[np.float32]:
    """An encoder's basis, float32 (4096, D)."""
    data, dimension = connection.execute(
        select(encoder.c.basis, encoder.c.dimension).where(encoder.c.encoder_id == encoder_id)
    ).one()
    return np.frombuffer(data, dtype="<f4").reshape(-1, dimension)


def register(connection: Connection, description: EncoderDescription) -> ActiveEncoder:
    """Make an encoder's row if it is new; the first gets partition and index and becomes active."""
    dimension = description.basis.shape[1]
    change_encoders(connection)
    is_first = find_active(connection) is None
    encoder_id = connection.scalar(
        insert_or_skip(encoder)
        .values(
            digest=description.digest,
            name=description.name,
            preprocessing=description.preprocessing,
            dimension=dimension,
            basis=np.ascontiguousarray(description.basis, dtype="<f4").tobytes(),
            metrics=description.metrics,
            state="active" if is_first else "registered",
        )
        .on_conflict_do_nothing(index_elements=[encoder.c.digest])
        .returning(encoder.c.encoder_id)
    )
    if encoder_id is not None and is_first:
        create_partition(connection, encoder_id, dimension)
        create_index(connection, encoder_id, dimension)
    found = select(*_FACTS).where(encoder.c.digest == description.digest)
    return EncoderFacts(*connection.execute(found).one()).searched
