"""Labels with codes, provenance and history; nothing that was said of a subject is lost any more.

The free text that `source` was stays as `origin`. What names a machine becomes a prediction, and
leaves the copies that searches filter by. Going down keeps the labels that hold, under the source
that they had; codes and history have no place there.

Revision: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_SOURCE = """
    CASE WHEN lower(btrim(source)) IN ('report', 'pathology', 'prediction')
              THEN lower(btrim(source))
         WHEN lower(btrim(source)) IN ('radiology', 'radiology report', 'finding') THEN 'report'
         WHEN lower(btrim(source)) IN ('histology', 'histopathology', 'biopsy', 'cytology')
              THEN 'pathology'
         WHEN lower(btrim(source)) IN ('predicted', 'predictions', 'model', 'ai', 'classifier',
                                       'algorithm', 'network') THEN 'prediction'
         ELSE 'import' END"""


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.drop_constraint("label_subject_label_source_key", "label", type_="unique")
    for name in ("scheme", "code", "meaning", "origin", "author", "recorded_by"):
        op.add_column("label", sa.Column(name, sa.Text(), nullable=True))
    for name in ("ended_as", "ended_by", "ended_because"):
        op.add_column("label", sa.Column(name, sa.Text(), nullable=True))
    op.add_column(
        "label",
        sa.Column(
            "stated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    )
    op.add_column("label", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        f"""
        UPDATE label SET source = {_SOURCE}, stated_at = recorded_at,
            origin = CASE WHEN source NOT IN ('report', 'pathology', 'import', 'prediction')
                          THEN source END"""  # noqa: S608
    )
    op.create_check_constraint(
        op.f("label_whole_code_check"), "label", "num_nonnulls(scheme, code, meaning) IN (0, 3)"
    )
    op.create_check_constraint(
        op.f("label_source_check"),
        "label",
        "source IN ('report', 'pathology', 'import', 'prediction')",
    )
    op.create_check_constraint(
        op.f("label_end_check"),
        "label",
        "(ended_at IS NULL) = (ended_as IS NULL) AND ended_as IN ('withdrawn', 'replaced')",
    )
    op.create_index(
        "label_current_idx",
        "label",
        ["sop_instance_uid", "study_instance_uid", "source", "origin", "label"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    _copy_again("l.source <> 'prediction'")


def downgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    op.execute("DELETE FROM label WHERE ended_at IS NOT NULL")
    op.drop_index("label_current_idx", table_name="label")
    for name in ("end", "source", "whole_code"):
        op.drop_constraint(op.f(f"label_{name}_check"), "label", type_="check")
    _copy_again("true")
    op.execute("UPDATE label SET source = coalesce(origin, source)")
    op.execute("""
        DELETE FROM label WHERE label_id IN (
            SELECT label_id FROM (
                SELECT label_id, row_number() OVER (
                    PARTITION BY sop_instance_uid, study_instance_uid, label, source
                    ORDER BY label_id) AS n
                FROM label) numbered
            WHERE n > 1)""")
    for name in (
        "scheme",
        "code",
        "meaning",
        "origin",
        "author",
        "recorded_by",
        "ended_as",
        "ended_by",
        "ended_because",
        "stated_at",
        "ended_at",
    ):
        op.drop_column("label", name)
    op.create_unique_constraint(
        "label_subject_label_source_key",
        "label",
        ["sop_instance_uid", "study_instance_uid", "label", "source"],
        postgresql_nulls_not_distinct=True,
    )


def _copy_again(counts: str) -> None:
    """Bring the copies in `embedding` up to date wherever a prediction was made."""
    op.execute(
        f"""
        WITH predicted AS (
            SELECT i.instance_id, i.sop_instance_uid, t.study_instance_uid
            FROM label l JOIN instance i USING (sop_instance_uid)
            JOIN series USING (series_id) JOIN study t USING (study_id)
            WHERE l.source = 'prediction'
            UNION
            SELECT i.instance_id, i.sop_instance_uid, t.study_instance_uid
            FROM label l JOIN study t USING (study_instance_uid)
            JOIN series USING (study_id) JOIN instance i USING (series_id)
            WHERE l.source = 'prediction')
        UPDATE embedding e SET labels = ARRAY(
            SELECT DISTINCT l.label FROM label l
            WHERE (l.sop_instance_uid = p.sop_instance_uid
                   OR l.study_instance_uid = p.study_instance_uid) AND {counts}
            ORDER BY 1)
        FROM predicted p WHERE e.instance_id = p.instance_id"""  # noqa: S608
    )
