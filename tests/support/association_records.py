"""What became of associations, made up: as the node tells it, and as the record has it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, select

from dicom_node.observer import AssociationEvent, AssociationStage
from service.associations.record import AssociationRecord
from service.associations.table import write_records
from service.db.node_tables import association

AT = datetime(2024, 1, 31, 12, 0, 30, tzinfo=UTC)


def ended(stage: str = "released", **changes: Any) -> AssociationEvent:
    """The end of an association, told at `AT` unless said otherwise."""
    facts: dict[str, Any] = {
        "peer": "10.1.2.3",
        "calling_ae_title": "MODALITY",
        "called_ae_title": "PRECUNEUS",
        "at": AT,
        "seconds": 2.0,
    }
    return AssociationEvent(stage=AssociationStage(stage), **facts | changes)


def scanned(**changes: Any) -> AssociationEvent:
    """A connection that never asked for an association."""
    nobody: dict[str, Any] = {"calling_ae_title": None, "called_ae_title": None}
    return ended("lost", **nobody | {"reason": "the connection broke"} | changes)


def made_record(**changes: Any) -> AssociationRecord:
    """A line of the record: all went well, unless said otherwise."""
    facts: dict[str, Any] = {
        "association_id": uuid4(),
        "started_at": AT,
        "ended_at": AT + timedelta(seconds=2),
        "outcome": "released",
        "address": "10.1.2.3",
        "calling_ae_title": "MODALITY",
        "called_ae_title": "PRECUNEUS",
        "tls": None,
        "tls_certificate_sha256": None,
        "connections": 1,
        "reason": None,
        "accepted_contexts": 1,
        "refused_contexts": 0,
        "first_refused_contexts": (),
        "answers": {"0x0000": 12},
        "failed_answers": 0,
        "received_bytes": 1000,
    }
    return AssociationRecord(**facts | changes)


def write(engine: Engine, *records: AssociationRecord) -> None:
    """Have the record hold these lines."""
    with engine.begin() as connection:
        write_records(connection, records)


def rows(engine: Engine) -> list[Any]:
    """All lines, the oldest first."""
    with engine.connect() as connection:
        return list(connection.execute(select(association).order_by(association.c.started_at)))
