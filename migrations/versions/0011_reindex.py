"""A change of encoder: states, weights, runs, what is left to embed and what cannot be.

Revision: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_STATES = "state IN ('registered', 'filling', 'held', 'ready', 'active', 'retired')"
_PHASES = "phase IN ('filling', 'indexing', 'checking', 'passed', 'held', 'cancelled')"


def upgrade() -> None:
    _give_encoders_states()
    op.create_table(
        "encoder_weights",
        sa.Column("encoder_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["encoder_id"],
            ["encoder.encoder_id"],
            name=op.f("encoder_weights_encoder_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("encoder_id", name=op.f("encoder_weights_pkey")),
    )
    # Weights do not compress; slices of them are never asked for either.
    op.execute("ALTER TABLE encoder_weights ALTER COLUMN content SET STORAGE EXTERNAL")
    _create_runs()
    _create_chunks()
    op.create_table(
        "reindex_failure",
        sa.Column("encoder_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("instance_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["encoder_id"], ["encoder.encoder_id"], name=op.f("reindex_failure_encoder_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["instance.instance_id"],
            name=op.f("reindex_failure_instance_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("encoder_id", "instance_id", name=op.f("reindex_failure_pkey")),
    )
    op.create_index(op.f("reindex_failure_instance_id_idx"), "reindex_failure", ["instance_id"])


def _give_encoders_states() -> None:
    op.add_column(
        "encoder", sa.Column("state", sa.Text(), server_default="registered", nullable=False)
    )
    op.execute("UPDATE encoder SET state = 'active' WHERE active")
    # Those that never answered have an empty partition, which a reindex makes anew.
    op.execute("""
        DO $$ DECLARE idle integer; BEGIN
            FOR idle IN SELECT encoder_id FROM encoder WHERE NOT active LOOP
                EXECUTE format('DROP TABLE IF EXISTS embedding_encoder_%s', idle);
            END LOOP;
        END $$""")
    op.drop_index("encoder_active_idx", table_name="encoder")
    op.drop_column("encoder", "active")
    op.create_check_constraint(op.f("encoder_state_check"), "encoder", _STATES)
    op.create_index(
        "encoder_active_idx",
        "encoder",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
    )


def _create_runs() -> None:
    op.create_table(
        "reindex",
        sa.Column("reindex_id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("encoder_id", sa.Integer(), nullable=False),
        sa.Column("phase", sa.Text(), server_default="filling", nullable=False),
        sa.Column("instances", sa.BigInteger(), nullable=False),
        sa.Column("gate", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("indexed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(_PHASES, name=op.f("reindex_phase_check")),
        sa.ForeignKeyConstraint(
            ["encoder_id"], ["encoder.encoder_id"], name=op.f("reindex_encoder_id_fkey")
        ),
        sa.PrimaryKeyConstraint("reindex_id", name=op.f("reindex_pkey")),
    )
    op.create_index(op.f("reindex_encoder_id_idx"), "reindex", ["encoder_id"])


def _create_chunks() -> None:
    op.create_table(
        "reindex_chunk",
        sa.Column("encoder_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_instance_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_instance_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.Column("planned", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.Uuid(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["encoder_id"], ["encoder.encoder_id"], name=op.f("reindex_chunk_encoder_id_fkey")
        ),
        sa.PrimaryKeyConstraint(
            "encoder_id",
            "first_instance_id",
            "last_instance_id",
            name=op.f("reindex_chunk_pkey"),
        ),
    )
    op.create_index(op.f("reindex_chunk_lease_owner_idx"), "reindex_chunk", ["lease_owner"])


def downgrade() -> None:
    op.drop_table("reindex_failure")
    op.drop_table("reindex_chunk")
    op.drop_table("reindex")
    op.drop_table("encoder_weights")
    op.add_column(
        "encoder", sa.Column("active", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.execute("UPDATE encoder SET active = true WHERE state = 'active'")
    op.drop_index("encoder_active_idx", table_name="encoder")
    op.drop_column("encoder", "state")
    op.create_index(
        "encoder_active_idx", "encoder", ["active"], unique=True, postgresql_where=sa.text("active")
    )
