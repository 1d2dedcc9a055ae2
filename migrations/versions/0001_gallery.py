"""The gallery: studies, instances, jobs, encoders, embeddings, labels and API keys.

Revision: 0001
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import Vector
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    op.create_table(
        "api_key",
        sa.Column("api_key_id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("api_key_id", name=op.f("api_key_pkey")),
        sa.UniqueConstraint("digest", name=op.f("api_key_digest_key")),
    )
    op.create_table(
        "encoder",
        sa.Column("encoder_id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("preprocessing", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("basis", sa.LargeBinary(), nullable=False),
        sa.Column(
            "metrics", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("active", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "registered_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("encoder_id", name=op.f("encoder_pkey")),
        sa.UniqueConstraint("digest", name=op.f("encoder_digest_key")),
    )
    op.create_index(
        "encoder_active_idx", "encoder", ["active"], unique=True, postgresql_where=sa.text("active")
    )
    op.create_table(
        "installation",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("installation_pkey")),
    )
    op.create_table(
        "label",
        sa.Column("label_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=True),
        sa.Column("study_instance_uid", sa.Text(), nullable=True),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "num_nonnulls(sop_instance_uid, study_instance_uid) = 1",
            name=op.f("label_one_subject_check"),
        ),
        sa.PrimaryKeyConstraint("label_id", name=op.f("label_pkey")),
        sa.UniqueConstraint(
            "sop_instance_uid",
            "study_instance_uid",
            "label",
            "source",
            name="label_subject_label_source_key",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(op.f("label_sop_instance_uid_idx"), "label", ["sop_instance_uid"], unique=False)
    op.create_index(
        op.f("label_study_instance_uid_idx"), "label", ["study_instance_uid"], unique=False
    )
    op.create_table(
        "study",
        sa.Column("study_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("study_date", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("study_id", name=op.f("study_pkey")),
        sa.UniqueConstraint("study_instance_uid", name=op.f("study_study_instance_uid_key")),
    )
    op.create_table(
        "series",
        sa.Column("series_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("body_part_examined", sa.Text(), nullable=True),
        sa.Column("manufacturer", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("series_study_id_fkey")
        ),
        sa.PrimaryKeyConstraint("series_id", name=op.f("series_pkey")),
        sa.UniqueConstraint(
            "study_id", "series_instance_uid", name=op.f("series_study_id_series_instance_uid_key")
        ),
    )
    op.create_table(
        "instance",
        sa.Column("instance_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("series_id", sa.BigInteger(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("sop_class_uid", sa.Text(), nullable=False),
        sa.Column("transfer_syntax_uid", sa.Text(), nullable=False),
        sa.Column("patient_key", sa.Uuid(), nullable=False),
        sa.Column("patient_sex", sa.Text(), nullable=True),
        sa.Column("patient_age_years", sa.SmallInteger(), nullable=True),
        sa.Column("image_type", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("instance_number", sa.Integer(), nullable=True),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.Column("columns", sa.Integer(), nullable=True),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("flags", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("file_name", sa.Text(collation="C"), nullable=False),
        sa.Column("file_size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'embedded', 'unsupported', 'failed')",
            name=op.f("instance_state_check"),
        ),
        sa.ForeignKeyConstraint(
            ["series_id"], ["series.series_id"], name=op.f("instance_series_id_fkey")
        ),
        sa.PrimaryKeyConstraint("instance_id", name=op.f("instance_pkey")),
        sa.UniqueConstraint("file_name", name=op.f("instance_file_name_key")),
        sa.UniqueConstraint("sop_instance_uid", name=op.f("instance_sop_instance_uid_key")),
    )
    op.create_index(op.f("instance_patient_key_idx"), "instance", ["patient_key"], unique=False)
    op.create_index(op.f("instance_series_id_idx"), "instance", ["series_id"], unique=False)
    op.create_index(op.f("instance_state_idx"), "instance", ["state"], unique=False)
    op.create_table(
        "conflict",
        sa.Column("conflict_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("instance_id", sa.BigInteger(), nullable=False),
        sa.Column("file_name", sa.Text(collation="C"), nullable=False),
        sa.Column("file_size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["instance.instance_id"], name=op.f("conflict_instance_id_fkey")
        ),
        sa.PrimaryKeyConstraint("conflict_id", name=op.f("conflict_pkey")),
        sa.UniqueConstraint("file_name", name=op.f("conflict_file_name_key")),
        sa.UniqueConstraint("instance_id", "sha256", name=op.f("conflict_instance_id_sha256_key")),
    )
    op.create_table(
        "embedding",
        sa.Column("encoder_id", sa.Integer(), nullable=False),
        sa.Column("instance_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("frame", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("patient_key", sa.Uuid(), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("labels", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("coordinates", Vector(), nullable=False),
        sa.ForeignKeyConstraint(
            ["encoder_id"], ["encoder.encoder_id"], name=op.f("embedding_encoder_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["instance.instance_id"],
            name=op.f("embedding_instance_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("encoder_id", "instance_id", "frame", name=op.f("embedding_pkey")),
        postgresql_partition_by="LIST (encoder_id)",
    )
    op.create_table(
        "embedding_job",
        sa.Column("instance_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.Uuid(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["instance.instance_id"],
            name=op.f("embedding_job_instance_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("instance_id", name=op.f("embedding_job_pkey")),
    )


def downgrade() -> None:
    op.drop_table("embedding_job")
    op.drop_table("embedding")
    op.drop_table("conflict")
    op.drop_index(op.f("instance_state_idx"), table_name="instance")
    op.drop_index(op.f("instance_series_id_idx"), table_name="instance")
    op.drop_index(op.f("instance_patient_key_idx"), table_name="instance")
    op.drop_table("instance")
    op.drop_table("series")
    op.drop_table("study")
    op.drop_index(op.f("label_study_instance_uid_idx"), table_name="label")
    op.drop_index(op.f("label_sop_instance_uid_idx"), table_name="label")
    op.drop_table("label")
    op.drop_table("installation")
    op.drop_index("encoder_active_idx", table_name="encoder", postgresql_where=sa.text("active"))
    op.drop_table("encoder")
    op.drop_table("api_key")
