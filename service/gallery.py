"""Facts about the gallery: one instance's, and totals."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, func, select

from service.db.node_tables import dropped_object
from service.db.tables import conflict, embedding, embedding_job, instance, series, study
from service.encoders.registry import find_active
from service.errors import InstanceUnknown
from service.labels.copies import labels_of_instances


@dataclass(frozen=True)
class Conflict:
    """Another object that arrived under a known SOP Instance UID and is kept beside the first."""

    received_at: datetime
    source: str
    file_size: int
    sha256: str


@dataclass(frozen=True)
class InstanceFacts:
    """Header facts and state of an instance; no patient's name or id is among them."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    series_instance_uid: str
    study_instance_uid: str
    study_date: date | None
    modality: str
    body_part_examined: str | None
    manufacturer: str | None
    patient_key: str
    patient_sex: str | None
    patient_age_years: int | None
    image_type: list[str]
    instance_number: int | None
    rows: int | None
    columns: int | None
    frames: int
    state: str
    reason: str | None
    flags: list[str]
    source: str
    received_at: datetime
    labels: list[str]
    conflicts: list[Conflict]


def find_instance(connection: Connection, sop_instance_uid: str) -> InstanceFacts:
    """All that the gallery knows of an instance.

    Raises:
        InstanceUnknown: there is none with that UID.
    """
    columns = [name for name in InstanceFacts.__annotations__ if name not in _COLLECTED]
    available = {c.name: c for table in (study, series, instance) for c in table.c}
    row = connection.execute(
        select(instance.c.instance_id, *(available[name] for name in columns))
        .select_from(instance.join(series).join(study))
        .where(instance.c.sop_instance_uid == sop_instance_uid)
    ).one_or_none()
    if row is None:
        raise InstanceUnknown(f"The gallery holds no instance {sop_instance_uid}.")
    facts: dict[str, Any] = {name: getattr(row, name) for name in columns}
    facts["patient_key"] = row.patient_key.hex
    labels = labels_of_instances(connection, [row.instance_id])
    return InstanceFacts(
        **facts,
        labels=list(labels.get(row.instance_id, ())),
        conflicts=_conflicts(connection, row.instance_id),
    )


_COLLECTED = frozenset({"labels", "conflicts"})


def _conflicts(connection: Connection, instance_id: int) -> list[Conflict]:
    rows = connection.execute(
        select(conflict.c.received_at, conflict.c.source, conflict.c.file_size, conflict.c.sha256)
        .where(conflict.c.instance_id == instance_id)
        .order_by(conflict.c.conflict_id)
    )
    return [Conflict(r.received_at, r.source, r.file_size, bytes(r.sha256).hex()) for r in rows]


@dataclass(frozen=True)
class GalleryStats:
    """Totals of the gallery."""

    patients: int
    studies: int
    series: int
    instances: dict[str, int]
    slices: int
    waiting: int
    conflicts: int
    dropped: int
    labels: dict[str, int]
    modalities: dict[str, int]
    reasons: dict[str, int]
    stored_bytes: int
    encoder: str | None


def gallery_stats(connection: Connection) -> GalleryStats:
    """Count everything; reads the whole instance table."""

    def count(table: Any) -> int:
        return connection.scalar(select(func.count()).select_from(table)) or 0

    def grouped(statement: Any) -> dict[str, int]:
        return {row[0]: row[1] for row in connection.execute(statement)}

    number = func.count()
    because = select(instance.c.reason, number).where(instance.c.reason.is_not(None))
    active = find_active(connection)
    # Each encoder that is kept has a row of every slice.
    searched = embedding.c.encoder_id == (active.encoder_id if active else None)
    slices_by = select(embedding.c.modality, number).where(searched)
    each = select(func.unnest(embedding.c.labels).label("label")).where(searched).subquery()
    by_label = select(each.c.label, number).group_by(each.c.label).order_by(number.desc())
    return GalleryStats(
        patients=connection.scalar(select(func.count(instance.c.patient_key.distinct()))) or 0,
        studies=count(study),
        series=count(series),
        instances=grouped(select(instance.c.state, number).group_by(instance.c.state)),
        slices=count(select(embedding.c.frame).where(searched).subquery()),
        waiting=count(embedding_job),
        conflicts=count(conflict),
        dropped=count(dropped_object),
        labels=grouped(by_label),
        modalities=grouped(slices_by.group_by(embedding.c.modality).order_by(number.desc())),
        reasons=grouped(because.group_by(instance.c.reason).order_by(number.desc())),
        stored_bytes=int(connection.scalar(select(func.sum(instance.c.file_size))) or 0),
        encoder=active.name if active else None,
    )
