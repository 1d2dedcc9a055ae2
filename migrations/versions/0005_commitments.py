"""Storage commitments whose result is still to be told to the peer that asked.

Revision: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "commitment",
        sa.Column("commitment_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("peer_id", sa.Integer(), nullable=False),
        sa.Column("transaction_uid", sa.Text(), nullable=False),
        sa.Column("referenced", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "requested_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["peer_id"], ["peer.peer_id"], name=op.f("commitment_peer_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("commitment_id", name=op.f("commitment_pkey")),
        sa.UniqueConstraint(
            "peer_id", "transaction_uid", name=op.f("commitment_peer_id_transaction_uid_key")
        ),
    )


def downgrade() -> None:
    op.drop_table("commitment")
