"""The gallery's tables, as SQLAlchemy sees them; Alembic's migrations make them.

An encoder's partition of `embedding` and its index are made at run time by `service.encoders`. The
tables about other DICOM nodes are in `service.db.node_tables`, those of a reindex in
`service.db.reindex_tables`; `service.db.all_tables` has them all.
"""

from pgvector.sqlalchemy import Vector
from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def time_column(name: str, *, now: bool = True) -> Column[object]:
    """A time with its zone: the row's making, or with `now=False` empty until it is known."""
    default = func.now() if now else None
    return Column(name, DateTime(timezone=True), nullable=not now, server_default=default)


installation = Table(
    "installation",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

study = Table(
    "study",
    metadata,
    Column("study_id", BigInteger, Identity(always=True), primary_key=True),
    Column("study_instance_uid", Text, nullable=False, unique=True),
    Column("study_date", Date),
)

series = Table(
    "series",
    metadata,
    Column("series_id", BigInteger, Identity(always=True), primary_key=True),
    Column("study_id", ForeignKey("study.study_id"), nullable=False),
    Column("series_instance_uid", Text, nullable=False),
    Column("modality", Text, nullable=False),
    Column("body_part_examined", Text),
    Column("manufacturer", Text),
    Column("series_description", Text),
    UniqueConstraint("study_id", "series_instance_uid"),
)

instance = Table(
    "instance",
    metadata,
    Column("instance_id", BigInteger, Identity(always=True), primary_key=True),
    Column("series_id", ForeignKey("series.series_id"), nullable=False, index=True),
    Column("sop_instance_uid", Text, nullable=False, unique=True),
    Column("sop_class_uid", Text, nullable=False),
    Column("transfer_syntax_uid", Text, nullable=False),
    Column("patient_key", Uuid, nullable=False, index=True),
    Column("patient_sex", Text),
    Column("patient_age_years", SmallInteger),
    Column("image_type", ARRAY(Text), nullable=False, server_default="{}"),
    Column("instance_number", Integer),
    Column("rows", Integer),
    Column("columns", Integer),
    Column("frames", Integer, nullable=False),
    Column("state", Text, nullable=False, server_default="pending", index=True),
    Column("reason", Text),
    Column("flags", ARRAY(Text), nullable=False, server_default="{}"),
    Column("file_name", Text(collation="C"), nullable=False, unique=True),
    Column("file_size", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    time_column("received_at"),
    time_column("settled_at", now=False),
    CheckConstraint("state IN ('pending', 'embedded', 'unsupported', 'failed')", name="state"),
)

conflict = Table(
    "conflict",
    metadata,
    Column("conflict_id", BigInteger, Identity(always=True), primary_key=True),
    Column("instance_id", ForeignKey("instance.instance_id"), nullable=False),
    Column("file_name", Text(collation="C"), nullable=False, unique=True),
    Column("file_size", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    time_column("received_at"),
    UniqueConstraint("instance_id", "sha256"),
)

embedding_job = Table(
    "embedding_job",
    metadata,
    Column(
        "instance_id",
        ForeignKey("instance.instance_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lease_owner", Uuid),
    time_column("leased_until", now=False),
)

encoder = Table(
    "encoder",
    metadata,
    Column("encoder_id", Integer, Identity(always=True), primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("preprocessing", Text, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("basis", LargeBinary, nullable=False),
    Column("metrics", JSONB, nullable=False, server_default="{}"),
    Column("state", Text, nullable=False, server_default="registered"),
    time_column("registered_at"),
    CheckConstraint(
        "state IN ('registered', 'filling', 'held', 'ready', 'active', 'retired')", name="state"
    ),
    Index("encoder_active_idx", "state", unique=True, postgresql_where=text("state = 'active'")),
)

calibration = Table(
    "calibration",
    metadata,
    Column(
        "encoder_id",
        ForeignKey("encoder.encoder_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    time_column("computed_at"),
    Column("figures", JSONB, nullable=False),
    Column("subspace", LargeBinary),
)

embedding = Table(
    "embedding",
    metadata,
    Column("encoder_id", ForeignKey("encoder.encoder_id"), primary_key=True),
    Column(
        "instance_id",
        ForeignKey("instance.instance_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("frame", Integer, primary_key=True, autoincrement=False),
    Column("patient_key", Uuid, nullable=False),
    Column("modality", Text, nullable=False),
    Column("labels", ARRAY(Text), nullable=False),
    Column("coordinates", Vector(), nullable=False),
    Column("series_id", BigInteger, nullable=False, index=True),
    Column("study_id", BigInteger, nullable=False),
    Column("patient_sex", Text),
    Column("patient_age_years", SmallInteger),
    Column("plane", Text),
    Index("embedding_labels_idx", "labels", postgresql_using="gin"),
    postgresql_partition_by="LIST (encoder_id)",
)

label = Table(
    "label",
    metadata,
    Column("label_id", BigInteger, Identity(always=True), primary_key=True),
    Column("sop_instance_uid", Text, index=True),
    Column("study_instance_uid", Text, index=True),
    Column("label", Text, nullable=False),
    Column("scheme", Text),
    Column("code", Text),
    Column("meaning", Text),
    Column("source", Text, nullable=False),
    Column("origin", Text),
    Column("author", Text),
    time_column("stated_at"),
    time_column("recorded_at"),
    Column("recorded_by", Text),
    time_column("ended_at", now=False),
    Column("ended_as", Text),
    Column("ended_by", Text),
    Column("ended_because", Text),
    CheckConstraint("num_nonnulls(sop_instance_uid, study_instance_uid) = 1", name="one_subject"),
    CheckConstraint("num_nonnulls(scheme, code, meaning) IN (0, 3)", name="whole_code"),
    CheckConstraint("source IN ('report', 'pathology', 'import', 'prediction')", name="source"),
    CheckConstraint(
        "(ended_at IS NULL) = (ended_as IS NULL) AND ended_as IN ('withdrawn', 'replaced')",
        name="end",
    ),
    Index(
        "label_current_idx",
        "sop_instance_uid",
        "study_instance_uid",
        "source",
        "origin",
        "label",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    ),
)

api_key = Table(
    "api_key",
    metadata,
    Column("api_key_id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    time_column("created_at"),
    time_column("revoked_at", now=False),
)

search_change = Table(
    "search_change",
    metadata,
    Column("search_change_id", BigInteger, Identity(always=True), primary_key=True),
    Column("times", BigInteger, nullable=False),
)
