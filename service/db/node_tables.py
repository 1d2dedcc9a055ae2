"""The tables about other DICOM nodes, and of what was deleted.

Who the nodes are, what is asked of them and what became of their associations; what is no longer in
the gallery, and why. They hold UIDs and AE titles, and nothing of a patient.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from service.db.tables import metadata, time_column

__all__ = [
    "association",
    "commitment",
    "deleted_file",
    "dropped_object",
    "metadata",
    "peer",
    "pull",
    "pull_study",
    "tombstone",
]

peer = Table(
    "peer",
    metadata,
    Column("peer_id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("ae_title", Text, nullable=False, unique=True),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("networks", ARRAY(Text), nullable=False, server_default="{}"),
    Column("tls_certificate_sha256", Text),
    time_column("added_at"),
    Column("tls", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("port BETWEEN 1 AND 65535", name="port"),
)

pull = Table(
    "pull",
    metadata,
    Column("pull_id", BigInteger, Identity(always=True), primary_key=True),
    Column("peer_id", ForeignKey("peer.peer_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("selection", JSONB, nullable=False),
    time_column("started_at"),
    time_column("listed_at", now=False),
    time_column("finished_at", now=False),
)

pull_study = Table(
    "pull_study",
    metadata,
    Column(
        "pull_id",
        ForeignKey("pull.pull_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("study_instance_uid", Text, primary_key=True),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("reason", Text),
    CheckConstraint("state IN ('pending', 'done', 'failed')", name="state"),
)

tombstone = Table(
    "tombstone",
    metadata,
    Column("tombstone_id", BigInteger, Identity(always=True), primary_key=True),
    Column("sop_instance_uid", Text, nullable=False, index=True),
    Column("series_instance_uid", Text, nullable=False),
    Column("study_instance_uid", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("reason", Text),
    Column("by_whom", Text, nullable=False),
    Column("refuse", Boolean, nullable=False, server_default=text("false")),
    time_column("deleted_at"),
    time_column("sent_again_at", now=False),
    CheckConstraint("cause IN ('command', '113001', '113037', '113038', '113039')", name="cause"),
)

deleted_file = Table(
    "deleted_file",
    metadata,
    Column("file_name", Text(collation="C"), primary_key=True),
    Column("file_size", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    time_column("deleted_at"),
)

dropped_object = Table(
    "dropped_object",
    metadata,
    Column("sop_instance_uid", Text, primary_key=True),
    Column("sop_class_uid", Text, nullable=False),
    Column("series_instance_uid", Text, nullable=False),
    Column("study_instance_uid", Text, nullable=False, index=True),
    Column("modality", Text, nullable=False),
    Column("body_part_examined", Text),
    Column("image_type", ARRAY(Text), nullable=False, server_default="{}"),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("times", Integer, nullable=False, server_default="1"),
    time_column("received_at"),
    time_column("last_received_at"),
)

commitment = Table(
    "commitment",
    metadata,
    Column("commitment_id", BigInteger, Identity(always=True), primary_key=True),
    Column("peer_id", ForeignKey("peer.peer_id", ondelete="CASCADE"), nullable=False),
    Column("transaction_uid", Text, nullable=False),
    Column("referenced", JSONB, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    time_column("requested_at"),
    time_column("next_attempt_at"),
    UniqueConstraint("peer_id", "transaction_uid"),
)

association = Table(
    "association",
    metadata,
    Column("association_id", Uuid, primary_key=True),
    time_column("started_at"),
    time_column("ended_at", now=False),
    Column("outcome", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("calling_ae_title", Text),
    Column("called_ae_title", Text),
    Column("tls", Text),
    Column("tls_certificate_sha256", Text),
    Column("connections", Integer, nullable=False, server_default="1"),
    Column("reason", Text),
    Column("accepted_contexts", Integer, nullable=False, server_default="0"),
    Column("refused_contexts", Integer, nullable=False, server_default="0"),
    Column("first_refused_contexts", ARRAY(Text), nullable=False, server_default="{}"),
    Column("answers", JSONB, nullable=False, server_default="{}"),
    Column("failed_answers", Integer, nullable=False, server_default="0"),
    Column("received_bytes", BigInteger, nullable=False, server_default="0"),
    time_column("recorded_at"),
    CheckConstraint(
        "outcome IN ('running', 'released', 'rejected', 'aborted', 'lost')", name="outcome"
    ),
    Index("association_started_at_association_id_idx", "started_at", "association_id"),
    Index("association_recorded_at_idx", "recorded_at"),
)
