"""The JSON of the routes about labels."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from service.labels.checking import FIELDS, MAXIMUM_LENGTH
from service.labels.history import SubjectLabels
from service.labels.record import Source
from service.labels.vocabulary import VocabularyEntry
from service.labels.writing import LabelReport


class _FromFacts(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ConceptBody(_FromFacts):
    """A coded concept (PS3.3 8)."""

    scheme: str = Field(description="SCT (SNOMED CT), RADLEX, or a local one that begins with 99")
    code: str
    meaning: str


class LabelBody(_FromFacts):
    """A statement about an instance or a study."""

    label_id: int
    sop_instance_uid: str | None = Field(description="null: it is about the whole study")
    study_instance_uid: str | None
    label: str = Field(description="what filters and training use")
    concept: ConceptBody | None
    source: Source = Field(description="a prediction is never evidence, and in no filter")
    origin: str | None = Field(description="who or what is behind the source")
    author: str | None
    stated_at: datetime
    recorded_at: datetime
    recorded_by: str | None
    ended_at: datetime | None = Field(description="null: it stands")
    ended_as: Literal["withdrawn", "replaced"] | None
    ended_by: str | None
    ended_because: str | None
    is_prediction: bool


class LabelsBody(_FromFacts):
    """The statements about a subject, the oldest first."""

    in_gallery: bool = Field(description="false: the labels wait for it")
    labels: list[LabelBody]

    @classmethod
    def of(cls, found: SubjectLabels) -> Self:
        """The JSON form of what is known of a subject."""
        bodies = [LabelBody.model_validate(one) for one in found.labels]
        return cls(in_gallery=found.in_gallery, labels=bodies)


class NewLabelBody(BaseModel):
    """A statement to be recorded: a label, or a code, or both."""

    model_config = ConfigDict(extra="forbid")

    label: str | None = Field(default=None, max_length=MAXIMUM_LENGTH)
    scheme: str | None = Field(default=None, description="SCT, RADLEX or 99…")
    code: str | None = None
    meaning: str | None = Field(default=None, description="not needed for codes that are known")
    source: Source
    origin: str | None = Field(default=None, description="such as the system or board it is from")
    author: str | None = Field(default=None, description="unset: the API key's name")
    stated_at: str | None = Field(default=None, description="ISO 8601; unset: now")

    def fields(self) -> dict[str, str]:
        """What is given, by the names that tables have for it."""
        return {
            name: value for name, value in self.model_dump().items() if value and name in FIELDS
        }


class WithdrawalBody(BaseModel):
    """Why a label is taken back; in the body, since addresses end up in logs."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=MAXIMUM_LENGTH)


class VocabularyEntryBody(_FromFacts):
    """A label in use, with one code or none, and how often it is said."""

    label: str
    concept: ConceptBody | None
    instances: int
    studies: int
    waiting: int = Field(description="statements about what is not in the gallery")
    sources: dict[str, int]


class VocabularyBody(BaseModel):
    """The labels in use, the most frequent first."""

    labels: list[VocabularyEntryBody]

    @classmethod
    def of(cls, entries: Iterable[VocabularyEntry]) -> Self:
        """The JSON form of the labels in use."""
        return cls(labels=[VocabularyEntryBody.model_validate(entry) for entry in entries])


class ImportBody(_FromFacts):
    """What became of a table of labels."""

    recorded: int
    replaced: int = Field(description="older statements that ended thereby")
    unchanged: int
    subjects: int
    waiting: int = Field(description="subjects that are not in the gallery yet")
    dry_run: bool

    @classmethod
    def of(cls, report: LabelReport, *, dry_run: bool) -> Self:
        """The JSON form of a report."""
        return cls(**vars(report), dry_run=dry_run)
