"""The route to an instance's neighbours, and the JSON that it answers with."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from service.api.deps import SearchesDep, SopInstanceUid
from service.api.filters import FiltersDep
from service.api.problems import responses
from service.search import similar as search

router = APIRouter(prefix="/v1/instances/{sop_instance_uid}/similar", tags=["instances"])

FrameNumber = Annotated[int, Query(ge=1, le=1_000_000, description="1-based, as in DICOM")]
CollapseQuery = Annotated[
    Literal["none", "series", "patient"], Query(description="keep the nearest slice of each")
]


class _FromFacts(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class QueryBody(BaseModel):
    """The slice asked about and what its neighbours must be; of several values, a list."""

    sop_instance_uid: str
    frame: int
    k: int
    same_patient: bool
    modality: str | list[str] | None
    label: str | list[str] | None
    exact: bool
    collapse: Literal["none", "series", "patient"]
    filters: dict[str, str | int | list[str]] = Field(description="all that were asked for")

    @classmethod
    def of(cls, query: search.Query) -> Self:
        """The JSON form of a query."""
        return cls(
            sop_instance_uid=query.sop_instance_uid,
            frame=query.frame,
            k=query.k,
            same_patient=query.same_patient,
            modality=_one_or_all(query.filters.modality),
            label=_one_or_all(query.filters.label),
            exact=query.exact,
            collapse=query.collapse,
            filters=query.filters.facts(),
        )


def _one_or_all(values: tuple[str, ...]) -> str | list[str] | None:
    return None if not values else values[0] if len(values) == 1 else list(values)


class NeighbourBody(_FromFacts):
    """A similar slice."""

    rank: int
    sop_instance_uid: str
    frame: int
    series_instance_uid: str
    study_instance_uid: str
    modality: str
    distance: float = Field(description="Euclidean, between 4,096-d unit vectors: 0 to 2")
    labels: list[str]


class StepBody(_FromFacts):
    """One way that the search went."""

    name: str
    rows_scanned: int | None
    ms: float


class ExplanationBody(_FromFacts):
    """How an answer came about."""

    rows: int = Field(description="slices of the gallery")
    rows_passing: int = Field(description="slices that the filters leave")
    rows_scanned: int = Field(description="slices looked at, in all steps together")
    reason: str = Field(description="why it went this way")
    steps: list[StepBody]


class SimilarBody(BaseModel):
    """The nearest slices, nearest first."""

    query: QueryBody
    encoder: str
    method: Literal["hnsw", "exact", "hash"] = Field(
        description="which way the neighbours were found"
    )
    complete: bool = Field(description="k neighbours, or all that the filters leave")
    neighbours: list[NeighbourBody]
    next_cursor: str | None = Field(description="ask again with it for the neighbours that follow")
    explanation: ExplanationBody | None = None

    @classmethod
    def of(cls, answer: search.Answer) -> Self:
        """The JSON form of an answer."""
        told = answer.explanation
        return cls(
            query=QueryBody.of(answer.query),
            encoder=answer.encoder.name,
            method=answer.method,
            complete=answer.complete,
            neighbours=[NeighbourBody.model_validate(n) for n in answer.neighbours],
            next_cursor=answer.next_cursor,
            explanation=None if told is None else ExplanationBody.model_validate(told),
        )


@router.get("", responses=responses(404, 409, 422, 503))
def get_similar(
    sop_instance_uid: SopInstanceUid,
    searches: SearchesDep,
    filters: FiltersDep,
    k: Annotated[int, Query(ge=1, le=search.MAXIMUM_K)] = 5,
    frame: FrameNumber = 1,
    same_patient: Annotated[bool, Query(description="take the query's own patient, too")] = False,
    exact: Annotated[bool, Query(description="compare with every slice")] = False,
    collapse: CollapseQuery = "none",
    method: Annotated[
        Literal["default", "hash"], Query(description="hash: by binary codes, if there are any")
    ] = "default",
    explain: Annotated[bool, Query(description="say how it was found, and how long")] = False,
    cursor: Annotated[
        str | None, Query(max_length=2000, description="the last answer's next_cursor")
    ] = None,
) -> SimilarBody:
    """The k slices nearest to this one, of other patients unless asked otherwise."""
    query = search.Query(
        sop_instance_uid=sop_instance_uid,
        frame=frame,
        k=k,
        same_patient=same_patient,
        filters=filters,
        exact=exact,
        collapse=collapse,
        explain=explain,
        by_codes=method == "hash",
        cursor=cursor,
    )
    return SimilarBody.of(searches.run(lambda connection: search.similar(connection, query)))
