"""Labels that count as evidence: those that a person stands behind, with where they come from.

What a machine predicted never counts, or predictions would soon be evidence for predictions. Nor
does what was withdrawn or replaced.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, text

from service.encoders.registry import ActiveEncoder

COUNTED_SOURCES = ("report", "pathology", "import")

# An instance's own labels and those of its study.
COUNTED = """
    SELECT i.instance_id, i.patient_key, l.label, l.source
    FROM label l JOIN instance i USING (sop_instance_uid)
    WHERE l.source = ANY (:sources) AND l.ended_at IS NULL
    UNION ALL
    SELECT i.instance_id, i.patient_key, l.label, l.source
    FROM label l JOIN study t USING (study_instance_uid)
         JOIN series s USING (study_id) JOIN instance i USING (series_id)
    WHERE l.source = ANY (:sources) AND l.ended_at IS NULL"""


@dataclass(frozen=True, order=True)
class CountedLabel:
    """A label and who said so: report, pathology or import."""

    label: str
    source: str


def counted_labels(
    connection: Connection, instance_ids: Iterable[int]
) -> dict[int, tuple[CountedLabel, ...]]:
    """The labels of instances that count, their own and their studies', sorted."""
    rows = connection.execute(
        text(_OF_INSTANCES), {"sources": list(COUNTED_SOURCES), "ids": list(instance_ids)}
    )
    found: dict[int, set[CountedLabel]] = defaultdict(set)
    for instance_id, label, source in rows:
        found[instance_id].add(CountedLabel(label, source))
    return {instance_id: tuple(sorted(labels)) for instance_id, labels in found.items()}


# Begins with the instances asked about: labels of a large gallery are many.
_OF_INSTANCES = """
    WITH asked AS (
        SELECT i.instance_id, i.sop_instance_uid, t.study_instance_uid
        FROM instance i JOIN series USING (series_id) JOIN study t USING (study_id)
        WHERE i.instance_id = ANY (:ids))
    SELECT a.instance_id, l.label, l.source FROM asked a JOIN label l USING (sop_instance_uid)
    WHERE l.source = ANY (:sources) AND l.ended_at IS NULL
    UNION
    SELECT a.instance_id, l.label, l.source FROM asked a JOIN label l USING (study_instance_uid)
    WHERE l.source = ANY (:sources) AND l.ended_at IS NULL"""


def patients_by_label(connection: Connection, encoder: ActiveEncoder) -> dict[str, int]:
    """How many patients with embeddings have each label that counts."""
    rows = connection.execute(
        text(f"""
            SELECT c.label, count(DISTINCT c.patient_key) AS patients FROM ({COUNTED}) c
            WHERE EXISTS (SELECT FROM {encoder.partition} e
                          WHERE e.encoder_id = :encoder_id AND e.instance_id = c.instance_id)
            GROUP BY c.label
        """),
        {"sources": list(COUNTED_SOURCES), "encoder_id": encoder.encoder_id},
    )
    return {row.label: row.patients for row in rows}
