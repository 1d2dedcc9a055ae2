"""What is asked of study search, and what it answers."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, Self

from service.encoders.registry import ActiveEncoder
from service.search.filters import EVERYTHING, Filters
from service.search.nearest import Collapse
from service.studies.rows import Unit

MAXIMUM_K = 100
Method = Literal["candidates", "exact"]


@dataclass(frozen=True)
class Query:
    """A study of the gallery, or with `series_instance_uid` one of its series, which then looks
    for series.

    `filters` say which slices take part: a study is judged by those of its slices that pass, and
    one without any is not found. `collapse` never changes a distance: "series" shows the nearest
    pair of each series found, "none" the nearest pairs whatever their series, "patient" the pairs
    of "series", and of each patient only the nearest study.
    """

    study_instance_uid: str
    series_instance_uid: str | None = None
    k: int = 10
    same_patient: bool = False
    filters: Filters = EVERYTHING
    collapse: Collapse = "series"
    exact: bool = False
    explain: bool = False

    @property
    def unit(self) -> Unit:
        """What is ranked."""
        return "series" if self.series_instance_uid else "study"


@dataclass(frozen=True)
class Pair:
    """A slice of the query and the slice nearest to it in what was found."""

    query_sop_instance_uid: str
    query_frame: int
    sop_instance_uid: str
    frame: int
    series_instance_uid: str
    distance: float


@dataclass(frozen=True)
class MatchedSeries:
    """A series of a study found: for how many of the query's slices it has the nearest one."""

    series_instance_uid: str
    modality: str
    query_slices: int
    distance: float


@dataclass(frozen=True)
class SimilarStudy:
    """A study found, or a series where `series_instance_uid` is set.

    `distance` is the mean distance of the query's slices to their nearest here, or of the slices
    here to their nearest of the query if that is greater (0 to 2). `slices` were compared;
    `matched_slices` of them are the nearest of one of the query's at least.
    """

    rank: int
    study_instance_uid: str
    series_instance_uid: str | None
    study_date: date | None
    modalities: list[str]
    labels: list[str]
    distance: float
    slices: int
    matched_slices: int
    series: list[MatchedSeries]
    pairs: list[Pair]


@dataclass(frozen=True)
class StepTime:
    """A part of the work, and how long it took."""

    name: str
    ms: float


@dataclass(frozen=True)
class Account:
    """How an answer came about: studies (or series) seen and scored, by so many `slices` of theirs.

    `slices_sent` of the query looked for their `depth` nearest; 0 where all studies were scored.
    """

    studies_seen: int
    studies_scored: int
    slices: int
    slices_sent: int = 0
    depth: int = 0
    reason: str = ""
    steps: tuple[StepTime, ...] = ()

    def told(self, reason: str, steps: Iterable[StepTime]) -> Self:
        """The same with why it went this way, and how long each step took."""
        return replace(self, reason=reason, steps=tuple(steps))


@dataclass(frozen=True)
class Answer:
    """The studies, nearest first. `slices` of the query's `embedded` ones were compared.

    `complete` says that no nearer study can be missing: all were scored, or the lists of nearest
    slices prove that the others are farther (service.studies.bounds).
    """

    query: Query
    encoder: ActiveEncoder
    slices: int
    embedded: int
    pending: int
    method: Method
    complete: bool
    studies: list[SimilarStudy]
    explanation: Account | None = None
