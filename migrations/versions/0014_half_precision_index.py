"""HNSW indexes hold their coordinates in half precision.

Every index is built anew, beside the old one and before that goes: about a minute for 100,000
slices, in which the encoder's partition takes no new ones; searches wait only at the end. Run it in
a quiet hour, and start all processes anew: one of the version before finds the same, but slowly.

Revision: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# A projected index holds a part of the coordinates, and stays as it is.
_INDEXES = sa.text(r"""
    SELECT i.tablename, i.indexname, substring(i.indexdef FROM '::[a-z]+\((\d+)\)') AS dimension
    FROM pg_indexes i JOIN pg_index x ON x.indexrelid = to_regclass(quote_ident(i.indexname))
    WHERE i.schemaname = current_schema AND i.tablename LIKE 'embedding\_encoder\_%'
          AND i.indexdef LIKE '%USING hnsw%' AND i.indexdef NOT LIKE '%subvector%'
          AND i.indexdef LIKE :operators AND x.indisvalid
""")


def _rebuild(before: str, after: str) -> None:
    connection = op.get_bind()
    op.execute("SET LOCAL statement_timeout = 0")
    # What was built should not be given up for a transaction that is slow to end.
    op.execute("SET LOCAL lock_timeout = 0")
    op.execute("SET LOCAL maintenance_work_mem = '1GB'")
    # Memory that is shared between workers can be scarce; this works everywhere.
    op.execute("SET LOCAL max_parallel_maintenance_workers = 0")
    found = connection.execute(_INDEXES, {"operators": f"%{before}_l2_ops%"}).all()
    for table, index, dimension in found:
        op.execute(
            f"CREATE INDEX {index}_after ON {table} USING hnsw"
            f" ((coordinates::{after}({dimension})) {after}_l2_ops)"
            " WITH (m = 24, ef_construction = 600)"
        )
    # Only from here on searches wait, until the migration is committed.
    for _, index, _ in found:
        op.execute(f"DROP INDEX {index}")
        op.execute(f"ALTER INDEX {index}_after RENAME TO {index}")


def upgrade() -> None:
    _rebuild("vector", "halfvec")


def downgrade() -> None:
    _rebuild("halfvec", "vector")
