"""Labels: confirmed diagnoses of slices and studies, with where they come from.

A label may arrive before its instance; it then waits under the UID. Embedding rows carry a copy of
their labels, since a filter must act inside the search.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, delete, exists, func, insert, or_, select, text

from service.db.tables import instance, label, series, study
from service.errors import InvalidParameter

_LOCK = "hashtext('precuneus labels')"
_MAXIMUM_LENGTH = 200


@dataclass(frozen=True)
class LabelRecord:
    """One confirmed diagnosis of a slice's instance or of a whole study (exactly one is set)."""

    sop_instance_uid: str | None
    study_instance_uid: str | None
    label: str
    source: str


@dataclass(frozen=True)
class LabelReport:
    """What an import of labels did; `waiting` subjects are not in the gallery yet."""

    recorded: int
    subjects: int
    waiting: int


def read_labels(path: Path) -> list[LabelRecord]:
    """Labels of a CSV file with a header: sop_instance_uid or study_instance_uid, label, [source].

    Raises:
        InvalidParameter: the file is no CSV file, or a column or a value is missing; the message
            names the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = set(reader.fieldnames or ())
            if "label" not in columns or not columns & {"sop_instance_uid", "study_instance_uid"}:
                raise InvalidParameter(
                    f"{path.name} needs a header line with the columns sop_instance_uid or "
                    "study_instance_uid, label and, if you like, source."
                )
            return [_record(row, path.name, reader.line_num) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise InvalidParameter(
            f"{path.name} cannot be read as a CSV file in UTF-8 ({reason})."
        ) from None


def _record(row: dict[str, str | None], name: str, line: int) -> LabelRecord:
    value = {key: (row.get(key) or "").strip() for key in row if key is not None}
    sop, of_study = value.get("sop_instance_uid", ""), value.get("study_instance_uid", "")
    # Tables exported from an archive often give both: the narrower one is meant.
    subject = sop or of_study
    if not subject or not value.get("label"):
        raise InvalidParameter(f"{name}, line {line}: a UID and a label are needed.")
    if not set(subject) <= set("0123456789.") or len(subject) > 64:
        raise InvalidParameter(f"{name}, line {line}: that is not a UID.")
    if len(value["label"]) > _MAXIMUM_LENGTH or "\0" in value["label"] + value.get("source", ""):
        raise InvalidParameter(f"{name}, line {line}: a label has at most 200 characters.")
    return LabelRecord(
        sop or None, None if sop else of_study, value["label"], value.get("source") or "import"
    )


def record_labels(connection: Connection, records: Iterable[LabelRecord]) -> LabelReport:
    """Replace, for each subject and source named, its labels by those given."""
    unique = list(dict.fromkeys(records))
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    for batch in _batches(unique, 1000):
        _forget(connection, batch)
    for batch in _batches(unique, 1000):
        connection.execute(insert(label), [vars(record) for record in batch])
    subjects = {(r.sop_instance_uid, r.study_instance_uid) for r in unique}
    sops = [sop for sop, _ in subjects if sop]
    studies = [uid for _, uid in subjects if uid]
    _copy_to_embeddings(connection, sops, studies)
    return LabelReport(len(unique), len(subjects), _waiting(connection, sops, studies))


def _batches(records: list[LabelRecord], size: int) -> Iterator[list[LabelRecord]]:
    for start in range(0, len(records), size):
        yield records[start : start + size]


def _forget(connection: Connection, records: list[LabelRecord]) -> None:
    for source in {record.source for record in records}:
        of_source = [record for record in records if record.source == source]
        connection.execute(
            delete(label).where(
                label.c.source == source,
                or_(
                    label.c.sop_instance_uid.in_([r.sop_instance_uid for r in of_source]),
                    label.c.study_instance_uid.in_([r.study_instance_uid for r in of_source]),
                ),
            )
        )


def _copy_to_embeddings(connection: Connection, sops: list[str], studies: list[str]) -> None:
    """Bring the copies in `embedding` up to date for the subjects named."""
    connection.execute(
        text(f"""
            WITH touched AS (
                SELECT i.instance_id, i.sop_instance_uid, t.study_instance_uid
                FROM instance i JOIN series USING (series_id) JOIN study t USING (study_id)
                WHERE i.sop_instance_uid = ANY (:sops) OR t.study_instance_uid = ANY (:studies)),
            labelled AS (
                SELECT u.instance_id, {_LABELS_OF} AS labels FROM touched u)
            UPDATE embedding e SET labels = n.labels FROM labelled n
            WHERE e.instance_id = n.instance_id AND e.labels <> n.labels
        """),
        {"sops": sops, "studies": studies},
    )


_LABELS_OF = """ARRAY(
    SELECT DISTINCT l.label FROM label l
    WHERE l.sop_instance_uid = u.sop_instance_uid OR l.study_instance_uid = u.study_instance_uid
    ORDER BY 1)"""


def _waiting(connection: Connection, sops: list[str], studies: list[str]) -> int:
    known_sops = connection.scalar(
        select(func.count()).where(instance.c.sop_instance_uid.in_(sops))
    )
    with_series = exists().where(series.c.study_id == study.c.study_id)
    known_studies = connection.scalar(
        select(func.count()).where(study.c.study_instance_uid.in_(studies), with_series)
    )
    return len(sops) + len(studies) - (known_sops or 0) - (known_studies or 0)


def hold_labels(connection: Connection) -> None:
    """Hold off imports of labels until the caller's transaction ends.

    Without it, one could be missed between a look at the labels and the rows that copy them.
    """
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({_LOCK})")


def labels_of_instances(
    connection: Connection, instance_ids: Iterable[int]
) -> dict[int, tuple[str, ...]]:
    """The labels of instances, their own and their studies', sorted."""
    rows = connection.execute(
        text(f"""
            SELECT u.instance_id, {_LABELS_OF} AS labels
            FROM (SELECT i.instance_id, i.sop_instance_uid, t.study_instance_uid
                  FROM instance i JOIN series USING (series_id) JOIN study t USING (study_id)
                  WHERE i.instance_id = ANY (:ids)) u
        """),
        {"ids": list(instance_ids)},
    )
    return {row.instance_id: tuple(row.labels) for row in rows}
