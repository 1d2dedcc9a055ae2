"""The DICOM nodes that are known: where they are, and from where they may come.

Revision: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "peer",
        sa.Column("peer_id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ae_title", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("networks", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("tls_certificate_sha256", sa.Text(), nullable=True),
        sa.Column(
            "added_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("port BETWEEN 1 AND 65535", name=op.f("peer_port_check")),
        sa.PrimaryKeyConstraint("peer_id", name=op.f("peer_pkey")),
        sa.UniqueConstraint("ae_title", name=op.f("peer_ae_title_key")),
        sa.UniqueConstraint("name", name=op.f("peer_name_key")),
    )


def downgrade() -> None:
    op.drop_table("peer")
