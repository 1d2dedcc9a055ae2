"""What was said of an instance or a study: what stands, and if asked what no longer does."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, select, text

from service.db.tables import label, study
from service.labels.coding import Concept
from service.labels.provenance import source_of
from service.labels.record import LabelRecord, Source

Level = Literal["instance", "study"]


@dataclass(frozen=True)
class StatedLabel:
    """A statement as it is written down; it stands as long as `ended_at` is None.

    `author` stated it at `stated_at`; `recorded_by` wrote it into the gallery at `recorded_at`.
    """

    label_id: int
    sop_instance_uid: str | None
    study_instance_uid: str | None
    label: str
    concept: Concept | None
    source: Source
    origin: str | None
    author: str | None
    stated_at: datetime
    recorded_at: datetime
    recorded_by: str | None
    ended_at: datetime | None
    ended_as: Literal["withdrawn", "replaced"] | None
    ended_by: str | None
    ended_because: str | None

    @property
    def is_prediction(self) -> bool:
        """Whether only a machine says so: no evidence, and in no filter."""
        return self.source == "prediction"


@dataclass(frozen=True)
class SubjectLabels:
    """The statements about a subject, the oldest first, and whether the gallery holds it."""

    level: Level
    uid: str
    in_gallery: bool
    labels: tuple[StatedLabel, ...]


def find_labels(
    connection: Connection, level: Level, uid: str, *, history: bool = False
) -> SubjectLabels:
    """What stands of an instance or a study; with `history` also what ended.

    A label of a study counts for its instances, so it is among theirs, too.
    """
    found = connection.execute(text(_OWNER[level]), {"uid": uid}).scalar()
    about = label.c.study_instance_uid == (uid if level == "study" else found)
    if level == "instance":
        about |= label.c.sop_instance_uid == uid
    chosen = select(label).where(about).order_by(label.c.label_id)
    if not history:
        chosen = chosen.where(label.c.ended_at.is_(None))
    rows = connection.execute(chosen)
    return SubjectLabels(level, uid, found is not None, tuple(map(stated, rows)))


_OWNER = {
    "study": f"SELECT study_instance_uid FROM {study.name} WHERE study_instance_uid = :uid",
    "instance": """
        SELECT t.study_instance_uid
        FROM instance i JOIN series USING (series_id) JOIN study t USING (study_id)
        WHERE i.sop_instance_uid = :uid""",
}


def find_statement(connection: Connection, record: LabelRecord) -> StatedLabel:
    """The statement that stands and says the same of the same subject, by the same source."""
    source, origin = source_of(record.source)
    row = connection.execute(
        select(label).where(
            label.c.sop_instance_uid.is_not_distinct_from(record.sop_instance_uid),
            label.c.study_instance_uid.is_not_distinct_from(record.study_instance_uid),
            label.c.label == record.label,
            label.c.source == source,
            label.c.origin.is_not_distinct_from(record.origin or origin),
            label.c.ended_at.is_(None),
        )
    ).one()
    return stated(row)


def stated(row: Any) -> StatedLabel:
    """A row of the table `label`."""
    concept = Concept(row.scheme, row.code, row.meaning) if row.code is not None else None
    names = [field.name for field in fields(StatedLabel) if field.name != "concept"]
    return StatedLabel(**{name: getattr(row, name) for name in names}, concept=concept)
