"""How often searches changed for good, so that a replica can be asked whether it knows.

Revision: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# A change is a new row, so that two that happen at once do not wait for one another; now and then
# rows are put together, those of transactions that still run left out. Once a transaction counts.
_FUNCTION = """
    CREATE FUNCTION count_search_change() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        own bigint;
    BEGIN
        IF current_setting('precuneus.counted', true) = pg_current_xact_id()::text THEN
            RETURN NULL;
        END IF;
        PERFORM set_config('precuneus.counted', pg_current_xact_id()::text, true);
        INSERT INTO search_change (times) VALUES (1) RETURNING search_change_id INTO own;
        IF own % 100 = 0 THEN
            WITH older AS (
                SELECT search_change_id FROM search_change WHERE search_change_id < own
                FOR UPDATE SKIP LOCKED
            ), gone AS (
                DELETE FROM search_change c USING older
                WHERE c.search_change_id = older.search_change_id RETURNING c.times
            )
            INSERT INTO search_change (times) SELECT coalesce(sum(times), 0) FROM gone;
        END IF;
        RETURN NULL;
    END $$
"""
_TRIGGERS = (
    ("instance", "DELETE OR TRUNCATE"),
    ("embedding", "DELETE OR TRUNCATE"),
    ("encoder", "UPDATE OF state OR DELETE"),
)


def upgrade() -> None:
    op.create_table(
        "search_change",
        sa.Column("search_change_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("search_change_id", name=op.f("search_change_pkey")),
    )
    op.execute(_FUNCTION)
    for table, events in _TRIGGERS:
        op.execute(
            f"CREATE TRIGGER {table}_search_change AFTER {events} ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION count_search_change()"
        )


def downgrade() -> None:
    for table, _ in _TRIGGERS:
        op.execute(f"DROP TRIGGER {table}_search_change ON {table}")
    op.execute("DROP FUNCTION count_search_change()")
    op.drop_table("search_change")
