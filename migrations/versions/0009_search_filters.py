"""What searches filter by: beside each embedding, and the description of its series.

Revision: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_COLUMNS = {
    "series_id": sa.BigInteger(),
    "study_id": sa.BigInteger(),
    "patient_sex": sa.Text(),
    "patient_age_years": sa.SmallInteger(),
    "plane": sa.Text(),
}


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.add_column("series", sa.Column("series_description", sa.Text(), nullable=True))
    for name, kind in _COLUMNS.items():
        op.add_column("embedding", sa.Column(name, kind, nullable=True))
    # An updated row is a new entry in every index: the big ones are made again afterwards.
    definitions = _drop_vector_indexes()
    op.execute(
        """
        UPDATE embedding e
        SET series_id = i.series_id, study_id = s.study_id, patient_sex = i.patient_sex,
            patient_age_years = i.patient_age_years
        FROM instance i JOIN series s USING (series_id)
        WHERE i.instance_id = e.instance_id
        """
    )
    op.alter_column("embedding", "series_id", nullable=False)
    op.alter_column("embedding", "study_id", nullable=False)
    op.create_index(op.f("embedding_series_id_idx"), "embedding", ["series_id"], unique=False)
    op.create_index("embedding_labels_idx", "embedding", ["labels"], postgresql_using="gin")
    for definition in definitions:
        op.execute(definition)


def _drop_vector_indexes() -> list[str]:
    found = op.get_bind().execute(
        sa.text(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
            r" AND tablename LIKE 'embedding\_encoder\_%' AND indexdef LIKE '%USING hnsw%'"
        )
    )
    definitions = []
    for name, definition in found.all():
        op.execute(f'DROP INDEX "{name}"')
        definitions.append(definition)
    return definitions


def downgrade() -> None:
    op.drop_index("embedding_labels_idx", table_name="embedding", postgresql_using="gin")
    op.drop_index(op.f("embedding_series_id_idx"), table_name="embedding")
    for name in reversed(_COLUMNS):
        op.drop_column("embedding", name)
    op.drop_column("series", "series_description")
