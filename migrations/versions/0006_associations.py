"""What became of the associations with the node.

Revision: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "association",
        sa.Column("association_id", sa.Uuid(), nullable=False),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("calling_ae_title", sa.Text(), nullable=True),
        sa.Column("called_ae_title", sa.Text(), nullable=True),
        sa.Column("tls", sa.Text(), nullable=True),
        sa.Column("tls_certificate_sha256", sa.Text(), nullable=True),
        sa.Column("connections", sa.Integer(), server_default="1", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("accepted_contexts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("refused_contexts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "first_refused_contexts", sa.ARRAY(sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column(
            "answers",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
        ),
        sa.Column("failed_answers", sa.Integer(), server_default="0", nullable=False),
        sa.Column("received_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "outcome IN ('running', 'released', 'rejected', 'aborted', 'lost')",
            name=op.f("association_outcome_check"),
        ),
        sa.PrimaryKeyConstraint("association_id", name=op.f("association_pkey")),
    )
    op.create_index(
        "association_started_at_association_id_idx",
        "association",
        ["started_at", "association_id"],
    )
    op.create_index("association_recorded_at_idx", "association", ["recorded_at"])


def downgrade() -> None:
    op.drop_table("association")
