"""The JSON that the API answers with; `node log --json` prints the same."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from service.associations.record import AssociationRecord, Outcome
from service.associations.words import words_of


class _FromFacts(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ConflictBody(_FromFacts):
    """Another object that arrived under the same SOP Instance UID; the first one counts."""

    received_at: datetime
    source: str
    file_size: int
    sha256: str


class InstanceBody(_FromFacts):
    """Header facts and state of an instance."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    series_instance_uid: str
    study_instance_uid: str
    study_date: date | None
    modality: str
    body_part_examined: str | None
    manufacturer: str | None
    patient_key: str = Field(description="opaque: equal for instances of one patient")
    patient_sex: str | None
    patient_age_years: int | None
    image_type: list[str]
    instance_number: int | None
    rows: int | None
    columns: int | None
    frames: int
    state: Literal["pending", "embedded", "unsupported", "failed"]
    reason: str | None = Field(description="why it is not embedded")
    flags: list[str] = Field(description="what is odd about it, though accepted")
    source: str = Field(description="calling AE title, or how else it came")
    received_at: datetime
    labels: list[str]
    conflicts: list[ConflictBody]
    stored: Literal[True] = Field(default=True, description="its file is kept")


class DroppedBody(_FromFacts):
    """An object that a rule of admission dropped: it was acknowledged, and is not kept."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    modality: str
    body_part_examined: str | None
    image_type: list[str]
    state: Literal["unsupported"] = "unsupported"
    reason: str = Field(description="the rule")
    source: str = Field(description="calling AE title, or how else it came, the last time")
    received_at: datetime
    last_received_at: datetime
    times: int = Field(description="how often it was received")
    stored: Literal[False] = False


class EmbeddingBody(BaseModel):
    """A slice's 4,096-d unit vector."""

    sop_instance_uid: str
    frame: int
    encoder: str
    embedding: list[float] = Field(min_length=4096, max_length=4096)


class HealthBody(BaseModel):
    """Whether the service is ready, and what is not."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str]


class AssociationBody(BaseModel):
    """One association, or many connections of a minute that came to the same."""

    association_id: UUID
    started_at: datetime
    ended_at: datetime | None = Field(description="of the last connection; null: still there")
    seconds: float | None
    outcome: Outcome
    address: str
    calling_ae_title: str | None = Field(description="null: no association was asked for")
    called_ae_title: str | None
    tls: str | None = Field(description="version; null: plain")
    tls_certificate_sha256: str | None
    connections: int = Field(description="counted by the minute where nothing but this remains")
    reason: str | None = Field(description="why it was rejected or ended early")
    accepted_contexts: int
    refused_contexts: int
    first_refused_contexts: list[str] = Field(description="abstract syntax with transfer syntaxes")
    answers: dict[str, int] = Field(description="DIMSE responses by status")
    failed_answers: int
    received_bytes: int
    words: str = Field(description="all that was refused and why, to be read by a person")

    @classmethod
    def of(cls, record: AssociationRecord) -> Self:
        """The JSON form of a line of the record."""
        fields = cls.model_fields.keys() - {"words"}
        known = {name: getattr(record, name) for name in fields}
        return cls(**known, words=words_of(record))


class AssociationsBody(BaseModel):
    """A page of the node's record, the newest first."""

    associations: list[AssociationBody]
    next_cursor: str | None = Field(
        description="where the next page begins; null: this is the last"
    )

    @classmethod
    def of(cls, records: Iterable[AssociationRecord], next_cursor: str | None) -> Self:
        """The JSON form of a page."""
        bodies = [AssociationBody.of(record) for record in records]
        return cls(associations=bodies, next_cursor=next_cursor)
