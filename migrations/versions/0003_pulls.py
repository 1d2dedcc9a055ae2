"""Pulls from peers: which studies were found, and what became of each.

Revision: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pull",
        sa.Column("pull_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("peer_id", sa.Integer(), nullable=False),
        sa.Column("selection", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["peer_id"], ["peer.peer_id"], name=op.f("pull_peer_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pull_id", name=op.f("pull_pkey")),
    )
    op.create_index(op.f("pull_peer_id_idx"), "pull", ["peer_id"], unique=False)
    op.create_table(
        "pull_study",
        sa.Column("pull_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'done', 'failed')", name=op.f("pull_study_state_check")
        ),
        sa.ForeignKeyConstraint(
            ["pull_id"], ["pull.pull_id"], name=op.f("pull_study_pull_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pull_id", "study_instance_uid", name=op.f("pull_study_pkey")),
    )


def downgrade() -> None:
    op.drop_table("pull_study")
    op.drop_index(op.f("pull_peer_id_idx"), table_name="pull")
    op.drop_table("pull")
