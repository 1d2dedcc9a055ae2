"""Partitions of `embedding`, one an encoder, and the HNSW index of each; made at run time.

Alembic leaves them alone. No rows are read or written here.
"""

from sqlalchemy import Connection

# Measured on clustered slices: m=16 lost all neighbours of 1.5 % of the queries, these lose none.
HNSW_M = 32
HNSW_EF_CONSTRUCTION = 128
# pgvector's HNSW indexes `vector` up to 2,000 dimensions; inline storage ends there too.
MAXIMUM_DIMENSION = 2000


def partition_name(encoder_id: int) -> str:
    """The partition of `embedding` that belongs to an encoder."""
    return f"embedding_encoder_{int(encoder_id)}"


def index_name(encoder_id: int) -> str:
    """The HNSW index of an encoder's partition."""
    return f"{partition_name(encoder_id)}_hnsw_idx"


def create_partition(connection: Connection, encoder_id: int, dimension: int) -> None:
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


def create_index(
    connection: Connection, encoder_id: int, dimension: int, *, concurrently: bool = False
) -> None:
    """Build the partition's HNSW index; `concurrently` only outside a transaction."""
    connection.exec_driver_sql(
        f"CREATE INDEX {'CONCURRENTLY ' * concurrently}{index_name(encoder_id)}"
        f" ON {partition_name(encoder_id)}"
        f" USING hnsw ((coordinates::vector({int(dimension)})) vector_l2_ops)"
        f" WITH (m = {HNSW_M}, ef_construction = {HNSW_EF_CONSTRUCTION})"
    )
