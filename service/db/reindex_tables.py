"""Tables of a change of encoder: weights, runs, what is left to embed, and failures."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from service.db.tables import metadata, time_column

encoder_weights = Table(
    "encoder_weights",
    metadata,
    Column(
        "encoder_id",
        ForeignKey("encoder.encoder_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("file_name", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

reindex = Table(
    "reindex",
    metadata,
    Column("reindex_id", Integer, Identity(always=True), primary_key=True),
    Column("encoder_id", ForeignKey("encoder.encoder_id"), nullable=False, index=True),
    Column("phase", Text, nullable=False, server_default="filling"),
    Column("instances", BigInteger, nullable=False),
    Column("gate", JSONB),
    Column("fault", Text),
    time_column("started_at"),
    time_column("filled_at", now=False),
    time_column("indexed_at", now=False),
    time_column("finished_at", now=False),
    CheckConstraint(
        "phase IN ('filling', 'indexing', 'checking', 'passed', 'held', 'cancelled')", name="phase"
    ),
)

reindex_chunk = Table(
    "reindex_chunk",
    metadata,
    Column("encoder_id", ForeignKey("encoder.encoder_id"), primary_key=True, autoincrement=False),
    Column("first_instance_id", BigInteger, primary_key=True, autoincrement=False),
    Column("last_instance_id", BigInteger, primary_key=True, autoincrement=False),
    Column("instances", Integer, nullable=False),
    Column("planned", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lease_owner", Uuid, index=True),
    time_column("leased_until", now=False),
)

reindex_failure = Table(
    "reindex_failure",
    metadata,
    Column("encoder_id", ForeignKey("encoder.encoder_id"), primary_key=True, autoincrement=False),
    Column(
        "instance_id",
        ForeignKey("instance.instance_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        index=True,
    ),
    Column("reason", Text, nullable=False),
)
