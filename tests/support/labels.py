"""Statements in a gallery, quickly made, and what is left of them in rows."""

from io import BytesIO

from sqlalchemy import Engine, text

from service.labels.faults import Faults
from service.labels.importing import USUAL_LIMITS, import_labels
from service.labels.reading import read_lines
from service.labels.record import LabelRecord
from service.labels.writing import LabelReport, record_labels
from service.settings import LabelSettings

SCT_GLIOMA = "393564001"


def of_instance(uid: str, label: str, source: str = "import") -> LabelRecord:
    """What a source says of an instance."""
    return LabelRecord(uid, None, label, source)


def of_study(uid: str, label: str, source: str = "import") -> LabelRecord:
    """What a source says of a study."""
    return LabelRecord(None, uid, label, source)


def record(engine: Engine, *records: LabelRecord, by: str | None = None) -> LabelReport:
    """Record and commit."""
    with engine.begin() as connection:
        return record_labels(connection, records, recorded_by=by)


def import_text(
    engine: Engine, content: str | bytes, by: str | None = None, **limits: float
) -> LabelReport:
    """Import a table within limits and commit."""
    data = content.encode() if isinstance(content, str) else content
    settings = LabelSettings.model_validate(limits)
    with engine.begin() as connection:
        return import_labels(connection, BytesIO(data), "labels.csv", settings, recorded_by=by)


def read_text(content: str | bytes) -> tuple[list[LabelRecord], Faults]:
    """The labels of a table, and what is wrong with it."""
    data = content.encode() if isinstance(content, str) else content
    faults = Faults()
    lines = list(read_lines(BytesIO(data), "labels.csv", faults, USUAL_LIMITS.maximum_lines))
    return [line.record for line in lines], faults


def copies(engine: Engine) -> dict[str, list[str]]:
    """The labels in the embedding rows, which the search filters by."""
    with engine.connect() as connection:
        return {
            row.sop_instance_uid: row.labels
            for row in connection.execute(
                text(
                    "SELECT sop_instance_uid, labels"
                    " FROM embedding JOIN instance USING (instance_id)"
                )
            )
        }
