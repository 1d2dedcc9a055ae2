"""The labels that are in use, with how often and by which source."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from service.labels.coding import Concept


@dataclass(frozen=True)
class VocabularyEntry:
    """A label with one code (or none), and how many current statements say so.

    `instances` and `studies` are in the gallery; `waiting` statements are about what is not.
    `sources` counts all of them.
    """

    label: str
    concept: Concept | None
    instances: int
    studies: int
    waiting: int
    sources: dict[str, int]


def find_vocabulary(connection: Connection, limit: int = 1000) -> list[VocabularyEntry]:
    """The labels in use, the most frequent first; reads all current labels."""
    rows = connection.execute(text(_VOCABULARY), {"limit": limit})
    return [
        VocabularyEntry(
            label=row.label,
            concept=Concept(row.scheme, row.code, row.meaning) if row.code else None,
            instances=row.instances,
            studies=row.studies,
            waiting=row.waiting,
            sources={
                source: count
                for source, count in (
                    ("report", row.reports),
                    ("pathology", row.pathologies),
                    ("import", row.imports),
                    ("prediction", row.predictions),
                )
                if count
            },
        )
        for row in rows
    ]


_VOCABULARY = """
    SELECT l.label, l.scheme, l.code, l.meaning,
           count(i.instance_id) AS instances, count(t.study_id) AS studies,
           count(*) - count(i.instance_id) - count(t.study_id) AS waiting,
           count(*) FILTER (WHERE l.source = 'report') AS reports,
           count(*) FILTER (WHERE l.source = 'pathology') AS pathologies,
           count(*) FILTER (WHERE l.source = 'import') AS imports,
           count(*) FILTER (WHERE l.source = 'prediction') AS predictions
    FROM label l
    LEFT JOIN instance i ON i.sop_instance_uid = l.sop_instance_uid
    LEFT JOIN study t ON t.study_instance_uid = l.study_instance_uid
    WHERE l.ended_at IS NULL
    GROUP BY l.label, l.scheme, l.code, l.meaning
    ORDER BY count(*) DESC, l.label, l.code
    LIMIT :limit"""
