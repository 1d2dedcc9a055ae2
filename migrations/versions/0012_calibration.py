"""How far an encoder's distances can be believed in this gallery.

Revision: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calibration",
        sa.Column("encoder_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "computed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("figures", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("subspace", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["encoder_id"],
            ["encoder.encoder_id"],
            name=op.f("calibration_encoder_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("encoder_id", name=op.f("calibration_pkey")),
    )


def downgrade() -> None:
    op.drop_table("calibration")
