"""Partitions of `embedding`, one an encoder, and the HNSW index of each; made at run time.

Alembic leaves them alone. No rows are read or written here.
"""

import time
from collections.abc import Callable
from typing import Literal, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from service.errors import Unavailable
from service.tuning.building import HNSW_M
from service.tuning.partitions import tune_partition

# Slices lie in clusters, and some far from all: at 256 some of them are out of reach, at 400 what
# lies around the lonely ones, at 600 nothing (docs/search.md). Building takes longer by two thirds.
HNSW_EF_CONSTRUCTION = 600
# pgvector's HNSW indexes `vector` up to 2,000 dimensions; inline storage ends there too.
MAXIMUM_DIMENSION = 2000
# Of longer coordinates the index holds so many: a projection, whose distances are never longer.
PROJECTED_DIMENSION = 256

_LOCK_NOT_AVAILABLE = "55P03"
_TRIES = 30
_Made = TypeVar("_Made")


def partition_name(encoder_id: int) -> str:
    """The partition of `embedding` that belongs to an encoder."""
    return f"embedding_encoder_{int(encoder_id)}"


def index_name(encoder_id: int) -> str:
    """The HNSW index of an encoder's partition."""
    return f"{partition_name(encoder_id)}_hnsw_idx"


def indexed_dimension(dimension: int) -> int:
    """How many coordinates of each vector the index holds: all, or the leading ones."""
    return dimension if dimension <= MAXIMUM_DIMENSION else PROJECTED_DIMENSION


def indexed(vector: str, dimension: int) -> str:
    """What the index holds of a vector, as SQL; an index is found by this very expression.

    All coordinates in half precision, which is half of the memory and steers a walk as well; rows
    are compared by the whole. A leading part is held as it is, since its distances are a bound.
    """
    held = indexed_dimension(dimension)
    if held == dimension:
        return f"{vector}::halfvec({held})"
    return f"subvector({vector}, 1, {held})::vector({held})"


def _operators(dimension: int) -> str:
    return "halfvec_l2_ops" if indexed_dimension(dimension) == dimension else "vector_l2_ops"


def indexed_bytes(dimension: int) -> int:
    """Bytes of what the index holds of a vector."""
    held = indexed_dimension(dimension)
    return 2 * held if held == dimension else 4 * held


def partition_exists(connection: Connection, encoder_id: int) -> bool:
    """Whether an encoder has a partition."""
    return connection.scalar(_REGCLASS, {"name": partition_name(encoder_id)}) is not None


_REGCLASS = text("SELECT to_regclass(:name)")


def create_partition(connection: Connection, encoder_id: int, dimension: int) -> None:
    """The partition takes coordinates of one length, and has no HNSW index yet.

    They are inline in the row, as far as they fit into its page. An index that every row went
    through would make a fill several times slower.
    """
    name = partition_name(encoder_id)
    storage = "PLAIN" if dimension <= MAXIMUM_DIMENSION else "EXTERNAL"
    for statement in (
        f"CREATE TABLE {name} PARTITION OF embedding FOR VALUES IN ({int(encoder_id)})",
        f"ALTER TABLE {name} ALTER COLUMN coordinates SET STORAGE {storage},"
        f" ADD CONSTRAINT {name}_dimension_check"
        f" CHECK (vector_dims(coordinates) = {int(dimension)})",
    ):
        connection.exec_driver_sql(statement)
    tune_partition(connection, name)


def drop_partition(connection: Connection, encoder_id: int) -> None:
    """Drop an encoder's embeddings with their index, if it has any."""
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {partition_name(encoder_id)}")


def create_index(
    connection: Connection, encoder_id: int, dimension: int, *, concurrently: bool = False
) -> None:
    """Build the partition's HNSW index; `concurrently` only outside a transaction."""
    connection.exec_driver_sql(
        f"CREATE INDEX {'CONCURRENTLY ' * concurrently}{index_name(encoder_id)}"
        f" ON {partition_name(encoder_id)}"
        f" USING hnsw (({indexed('coordinates', int(dimension))}) {_operators(dimension)})"
        f" WITH (m = {HNSW_M}, ef_construction = {HNSW_EF_CONSTRUCTION})"
    )


IndexState = Literal["valid", "invalid", "missing"]


def index_state(connection: Connection, encoder_id: int) -> IndexState:
    """Whether the HNSW index can be used; `invalid` is what a build that broke off leaves."""
    valid = connection.scalar(_INDEX, {"name": index_name(encoder_id)})
    return "missing" if valid is None else "valid" if valid else "invalid"


_INDEX = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


def patiently(engine: Engine, change: Callable[[Connection], _Made]) -> _Made:
    """Run a change that locks tables in a transaction that waits for them only briefly, and again.

    Whoever comes after such a lock waits behind it; so a search waits a second at most.

    Raises:
        Unavailable: the tables were in use all the time.
    """
    for _ in range(_TRIES):
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
                return change(connection)
        except OperationalError as error:
            if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
                raise
            time.sleep(0.5)
    raise Unavailable("The gallery's tables are in use by something long; try again later.")
