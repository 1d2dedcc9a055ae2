"""What was deleted or rejected: when, why and by whom, and its files that are kept a while.

Revision: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tombstone",
        sa.Column("tombstone_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("refuse", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "deleted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("sent_again_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "cause IN ('command', '113001', '113037', '113038', '113039')",
            name=op.f("tombstone_cause_check"),
        ),
        sa.PrimaryKeyConstraint("tombstone_id", name=op.f("tombstone_pkey")),
    )
    op.create_index(
        op.f("tombstone_sop_instance_uid_idx"), "tombstone", ["sop_instance_uid"], unique=False
    )
    op.create_table(
        "deleted_file",
        sa.Column("file_name", sa.Text(collation="C"), nullable=False),
        sa.Column("file_size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column(
            "deleted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("file_name", name=op.f("deleted_file_pkey")),
    )


def downgrade() -> None:
    op.drop_table("deleted_file")
    op.drop_index(op.f("tombstone_sop_instance_uid_idx"), table_name="tombstone")
    op.drop_table("tombstone")
