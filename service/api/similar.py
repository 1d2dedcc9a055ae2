"""The route to an instance's neighbours, and the JSON that it answers with."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from service.api.deps import SearchesDep, SopInstanceUid
from service.api.evidence import EvidenceBody
from service.api.filters import FiltersDep
from service.api.problems import responses
from service.evidence.beside import similar_with_evidence
from service.evidence.evidence import Evidence
from service.search import similar as search
from service.search.found import Neighbour

router = APIRouter(prefix="/v1/instances/{sop_instance_uid}/similar", tags=["instances"])

FrameNumber = Annotated[int, Query(ge=1, le=1_000_000, description="1-based, as in DICOM")]
CollapseQuery = Annotated[
    Literal["none", "series", "patient"], Query(description="keep the nearest slice of each")
]
EvidenceQuery = Annotated[
    bool, Query(description="with percentiles, and what the neighbours say about the slice")
]


def if_asked(description: str) -> Any:
    """A field that is absent unless it was asked for and is known."""
    return Field(default=None, exclude_if=lambda value: value is None, description=description)


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
    percentile: float | None = if_asked(
        "with `evidence`: of 100 pairs of slices of unrelated patients, how many are no farther "
        "apart; absent where the gallery is too small to tell"
    )

    @classmethod
    def all_of(cls, neighbours: Iterable[Neighbour], evidence: Evidence | None) -> list[Self]:
        """The JSON form of neighbours, with percentiles where there is evidence."""
        bodies = [cls.model_validate(neighbour) for neighbour in neighbours]
        if evidence is None:
            return bodies
        percentile = evidence.scale.percentile
        return [
            body.model_copy(update={"percentile": percentile(body.distance)}) for body in bodies
        ]


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
    evidence: EvidenceBody | None = if_asked("as the route …/evidence gives it")

    @classmethod
    def of(cls, answer: search.Answer, evidence: Evidence | None = None) -> Self:
        """The JSON form of an answer."""
        told = answer.explanation
        return cls(
            query=QueryBody.of(answer.query),
            encoder=answer.encoder.name,
            method=answer.method,
            complete=answer.complete,
            neighbours=NeighbourBody.all_of(answer.neighbours, evidence),
            next_cursor=answer.next_cursor,
            explanation=None if told is None else ExplanationBody.model_validate(told),
            evidence=None if evidence is None else EvidenceBody.of(evidence),
        )


async def get_query(
    sop_instance_uid: SopInstanceUid,
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
) -> search.Query:
    """What is asked."""
    return search.Query(
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


@router.get("", responses=responses(404, 409, 422, 503))
async def get_similar(
    query: Annotated[search.Query, Depends(get_query)],
    searches: SearchesDep,
    evidence: EvidenceQuery = False,
) -> SimilarBody:
    """The k slices nearest to this one, of other patients unless asked otherwise.

    With `evidence` each has its percentile among distances between unrelated patients, and beside
    them stands what …/evidence answers: votes of other patients' slices, not a diagnosis.
    """

    def search_and_tell() -> SimilarBody:
        answer = searches.run(lambda connection: answer_to(connection, query, evidence=evidence))
        return SimilarBody.of(*answer)

    # Of a route that is no coroutine the framework checks the answer in one more thread.
    return await run_in_threadpool(search_and_tell)


def answer_to(
    connection: Connection, query: search.Query, *, evidence: bool
) -> tuple[search.Answer, Evidence | None]:
    """What `SimilarBody` is made of; raises as `similar` does."""
    if evidence:
        return similar_with_evidence(connection, query)
    return search.similar(connection, query), None
