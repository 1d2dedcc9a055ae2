"""The routes to similar studies and series, and the JSON that they answer with."""

from datetime import date
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from service.api.deps import SearchesDep
from service.api.filters import FiltersDep
from service.api.problems import responses
from service.studies.answer import MAXIMUM_K, Answer
from service.studies.answer import Query as StudyQuery
from service.studies.similar import similar_studies

router = APIRouter(prefix="/v1/studies/{study_instance_uid}", tags=["studies"])

_UID = r"^[0-9]+(\.[0-9]+)*$"
StudyInstanceUid = Annotated[
    str, Path(pattern=_UID, max_length=64, description="Study Instance UID (0020,000D)")
]
SeriesInstanceUid = Annotated[
    str, Path(pattern=_UID, max_length=64, description="Series Instance UID (0020,000E)")
]
K = Annotated[int, Query(ge=1, le=MAXIMUM_K, description="there are no further pages")]
SamePatient = Annotated[
    bool, Query(description="take the query's own patient, too; the query itself is then first")
]
Collapse = Annotated[
    Literal["none", "series", "patient"],
    Query(
        description="series: the nearest pair of each series found; none: the nearest pairs "
        "whatever their series; patient: as series, and each patient's nearest study alone"
    ),
]
Exact = Annotated[bool, Query(description="compare with every slice")]
Explain = Annotated[bool, Query(description="say how it was found, and how long it took")]


class _FromFacts(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class StudyQueryBody(BaseModel):
    """The study or series asked about, and what its neighbours must be."""

    study_instance_uid: str
    series_instance_uid: str | None
    k: int
    same_patient: bool
    collapse: Literal["none", "series", "patient"]
    exact: bool
    filters: dict[str, str | int | list[str]] = Field(description="all that were asked for")
    slices: int = Field(description="of the query, that were compared")
    embedded: int = Field(description="slices of the query that have an embedding")
    pending: int = Field(description="instances of the query that wait for one")

    @classmethod
    def of(cls, answer: Answer) -> Self:
        """The JSON form of what was asked, and what it was taken for."""
        query = answer.query
        return cls(
            study_instance_uid=query.study_instance_uid,
            series_instance_uid=query.series_instance_uid,
            k=query.k,
            same_patient=query.same_patient,
            collapse=query.collapse,
            exact=query.exact,
            filters=query.filters.facts(),
            slices=answer.slices,
            embedded=answer.embedded,
            pending=answer.pending,
        )


class PairBody(_FromFacts):
    """A slice of the query, and the slice nearest to it in the study found."""

    query_sop_instance_uid: str
    query_frame: int
    sop_instance_uid: str
    frame: int
    series_instance_uid: str
    distance: float = Field(description="Euclidean, between 4,096-d unit vectors: 0 to 2")


class MatchedSeriesBody(_FromFacts):
    """A series of the study found that holds the nearest slice of one of the query's."""

    series_instance_uid: str
    modality: str
    query_slices: int = Field(description="of how many of the query's slices")
    distance: float = Field(description="of the nearest pair")


class SimilarStudyBody(_FromFacts):
    """A similar study, or a similar series where that was asked about."""

    rank: int
    study_instance_uid: str
    series_instance_uid: str | None = Field(description="null where studies are ranked")
    study_date: date | None
    modalities: list[str] = Field(description="of the series that matched")
    labels: list[str] = Field(description="of its slices, those of most slices first")
    distance: float = Field(
        description="mean distance of the query's slices to their nearest here, or of the slices "
        "here to their nearest of the query if that is greater: 0 to 2"
    )
    slices: int = Field(description="of it, that were compared")
    matched_slices: int = Field(description="of these, nearest to one of the query's at least")
    series: list[MatchedSeriesBody]
    pairs: list[PairBody] = Field(description="the nearest, at most three")


class StepTimeBody(_FromFacts):
    """A part of the work."""

    name: str
    ms: float


class AccountBody(_FromFacts):
    """How an answer came about."""

    reason: str = Field(description="why it went this way")
    studies_seen: int = Field(description="studies, or series, that came into question")
    studies_scored: int = Field(description="of them, compared slice by slice")
    slices: int = Field(description="slices that those have")
    slices_sent: int = Field(description="of the query, that looked for candidates")
    depth: int = Field(description="how many nearest slices each of them looked at")
    steps: list[StepTimeBody]


class SimilarStudiesBody(BaseModel):
    """The nearest studies or series, nearest first."""

    query: StudyQueryBody
    encoder: str
    method: Literal["candidates", "exact"] = Field(description="exact: all were compared")
    complete: bool = Field(description="it is proven that no nearer one is missing")
    studies: list[SimilarStudyBody]
    explanation: AccountBody | None = None

    @classmethod
    def of(cls, answer: Answer) -> Self:
        """The JSON form of an answer."""
        told = answer.explanation
        return cls(
            query=StudyQueryBody.of(answer),
            encoder=answer.encoder.name,
            method=answer.method,
            complete=answer.complete,
            studies=[SimilarStudyBody.model_validate(study) for study in answer.studies],
            explanation=None if told is None else AccountBody.model_validate(told),
        )


@router.get("/similar", responses=responses(404, 409, 422, 503))
def get_similar_studies(
    study_instance_uid: StudyInstanceUid,
    searches: SearchesDep,
    filters: FiltersDep,
    k: K = 10,
    same_patient: SamePatient = False,
    collapse: Collapse = "series",
    exact: Exact = False,
    explain: Explain = False,
) -> SimilarStudiesBody:
    """The k studies nearest to this one by their slices, and which slice matched which."""
    query = StudyQuery(study_instance_uid, None, k, same_patient, filters, collapse, exact, explain)
    return SimilarStudiesBody.of(
        searches.run(lambda connection: similar_studies(connection, query))
    )


@router.get("/series/{series_instance_uid}/similar", responses=responses(404, 409, 422, 503))
def get_similar_series(
    study_instance_uid: StudyInstanceUid,
    series_instance_uid: SeriesInstanceUid,
    searches: SearchesDep,
    filters: FiltersDep,
    k: K = 10,
    same_patient: SamePatient = False,
    collapse: Collapse = "series",
    exact: Exact = False,
    explain: Explain = False,
) -> SimilarStudiesBody:
    """The k series nearest to this one by their slices, and which slice matched which."""
    query = StudyQuery(
        study_instance_uid,
        series_instance_uid,
        k,
        same_patient,
        filters,
        collapse,
        exact,
        explain,
    )
    return SimilarStudiesBody.of(
        searches.run(lambda connection: similar_studies(connection, query))
    )
