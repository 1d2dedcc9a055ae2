"""The route that searches by what is no slice of the gallery, and the JSON that it answers with.

A file comes as the request's body itself. Forms (multipart/form-data) are not taken: parsing them
would put parts of a patient's picture into files, and ask for one more dependency.
"""

from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from service.api.asked import (
    CT_WINDOW,
    AskedBody,
    ExampleBody,
    RegionBody,
    parse_asked,
    schema_of_asked,
    window_of,
)
from service.api.bounded import MOST_JSON
from service.api.deps import ResourcesDep
from service.api.evidence import EvidenceBody
from service.api.filters import FiltersDep
from service.api.problems import responses
from service.api.similar import (
    CollapseQuery,
    EvidenceQuery,
    ExplanationBody,
    FrameNumber,
    NeighbourBody,
    if_asked,
)
from service.errors import UploadUnsupported
from service.search.found import Method
from service.search.similar import MAXIMUM_K
from service.uploads.answering import Patient, QueryAnswer, Wanted
from service.uploads.kinds import Kind
from service.uploads.searching import QuerySearch

_JSON = "application/json"
_FILES = ("application/dicom", "image/png", "image/jpeg", "application/octet-stream")
_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "a DICOM, PNG or JPEG file itself, or what to search by as JSON",
        "content": {_JSON: {"schema": schema_of_asked()}, **dict.fromkeys(_FILES, _BINARY)},
    }
}

CtWindowQuery = Annotated[
    str | None,
    Query(
        pattern=CT_WINDOW, max_length=40, description="of a picture of a CT: HU of black, of white"
    ),
]

router = APIRouter(prefix="/v1/search", tags=["search"])


class SearchQueryBody(BaseModel):
    """What was searched by, and what the neighbours must be."""

    by: Literal["upload", "region", "examples"]
    kind: Kind | None = Field(default=None, description="of an upload, by its bytes")
    sop_instance_uid: str | None = Field(default=None, description="of an uploaded DICOM file")
    frame: int | None = Field(default=None, description="of an upload")
    region: RegionBody | None = None
    positive: list[ExampleBody] | None = None
    negative: list[ExampleBody] | None = None
    patient: Patient = Field(
        description="what becomes of slices of the query's own patient; PNG and JPEG name none"
    )
    k: int
    same_patient: bool
    exact: bool
    collapse: Literal["none", "series", "patient"]
    filters: dict[str, str | int | list[str]]


class SearchBody(BaseModel):
    """The nearest slices, nearest first."""

    query: SearchQueryBody
    encoder: str
    method: Method = Field(description="which way the neighbours were found")
    complete: bool = Field(description="k neighbours, or all that the filters leave")
    neighbours: list[NeighbourBody]
    next_cursor: str | None = Field(
        description="ask again with it, and the same body, for the neighbours that follow"
    )
    explanation: ExplanationBody | None = None
    evidence: EvidenceBody | None = if_asked("as the route …/evidence gives it; of a file")

    @classmethod
    def of(cls, answer: QueryAnswer, wanted: Wanted, **asked: Any) -> Self:
        """The JSON form of an answer; `asked` is what it was searched by."""
        found, evidence = answer.found, answer.evidence
        told = found.explanation
        query = SearchQueryBody(
            patient=answer.patient,
            k=wanted.k,
            same_patient=wanted.same_patient,
            exact=wanted.exact,
            collapse=wanted.collapse,
            filters=wanted.filters.facts(),
            **asked,
        )
        return cls(
            query=query,
            encoder=answer.encoder.name,
            method=found.method,
            complete=found.complete,
            neighbours=NeighbourBody.all_of(found.neighbours, evidence),
            next_cursor=answer.next_cursor,
            explanation=None if told is None else ExplanationBody.model_validate(told),
            evidence=None if evidence is None else EvidenceBody.of(evidence),
        )


async def get_wanted(
    filters: FiltersDep,
    k: Annotated[int, Query(ge=1, le=MAXIMUM_K)] = 5,
    same_patient: Annotated[bool, Query(description="take the query's own patient, too")] = False,
    collapse: CollapseQuery = "none",
    exact: Annotated[bool, Query(description="compare with every slice")] = False,
    explain: Annotated[bool, Query(description="say how it was found, and how long")] = False,
    evidence: EvidenceQuery = False,
    cursor: Annotated[
        str | None, Query(max_length=2000, description="the last answer's next_cursor")
    ] = None,
) -> Wanted:
    """What the neighbours must be, and how to look for them."""
    return Wanted(k, filters, same_patient, collapse, exact, explain, evidence, cursor)


@router.post("", responses=responses(404, 408, 409, 413, 415, 422, 503), openapi_extra=_BODY)
async def search(
    request: Request,
    resources: ResourcesDep,
    wanted: Annotated[Wanted, Depends(get_wanted)],
    frame: FrameNumber = 1,
    ct_window: CtWindowQuery = None,
) -> SearchBody:
    """The k slices nearest to a file, a region or several examples; nothing of it is kept.

    The body is a DICOM, PNG or JPEG file itself, of which `frame` is searched by; or JSON with
    `region`, or with `positive` and perhaps `negative`. The bytes say what a file is. `evidence` is
    of files alone. For what follows send the same again with `cursor`.
    """
    kind = request.headers.get("Content-Type", _FILES[-1]).partition(";")[0].strip().lower()
    if kind == _JSON:
        asked = parse_asked(await resources.uploads.read(request, MOST_JSON))
        return await run_in_threadpool(by_asked, resources.queries, asked, wanted)
    if kind not in _FILES:
        raise UploadUnsupported(
            "Send the file itself as the body, not as a form, with one of these as Content-Type: "
            f"{', '.join(_FILES)}; or {_JSON}."
        )
    with resources.uploads.place():
        data = await resources.uploads.read(request)
        return await run_in_threadpool(by_upload, resources.queries, data, frame, wanted, ct_window)


def by_upload(
    queries: QuerySearch, data: bytes, frame: int, wanted: Wanted, ct_window: str | None = None
) -> SearchBody:
    """The answer for a frame of a file; raises as `QuerySearch.by_upload` does.

    `ct_window` is as in the route; InvalidParameter if its ends are the wrong way round.
    """
    answer = queries.by_upload(data, frame, wanted, window_of(ct_window))
    return SearchBody.of(
        answer,
        wanted,
        by="upload",
        kind=answer.kind,
        sop_instance_uid=answer.sop_instance_uid,
        frame=frame,
    )


def by_asked(queries: QuerySearch, asked: AskedBody, wanted: Wanted) -> SearchBody:
    """The answer for a region or for examples; raises as `QuerySearch` does."""
    region = asked.region
    if region is not None:
        answer = queries.by_region(region.sop_instance_uid, region.frame, region.box, wanted)
        return SearchBody.of(answer, wanted, by="region", region=region)
    positive, negative = asked.positive or [], asked.negative or []
    answer = queries.by_examples(
        [body.example() for body in positive], [body.example() for body in negative], wanted
    )
    return SearchBody.of(answer, wanted, by="examples", positive=positive, negative=negative)
