"""Objects that were acknowledged and not kept, because a rule of admission drops them.

Revision: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dropped_object",
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("sop_class_uid", sa.Text(), nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("body_part_examined", sa.Text(), nullable=True),
        sa.Column("image_type", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), server_default="1", nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "last_received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("sop_instance_uid", name=op.f("dropped_object_pkey")),
    )
    op.create_index(
        op.f("dropped_object_study_instance_uid_idx"),
        "dropped_object",
        ["study_instance_uid"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(op.f("dropped_object_study_instance_uid_idx"), table_name="dropped_object")
    op.drop_table("dropped_object")
