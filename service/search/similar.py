"""The slices similar to one of the gallery, as the API and the command line ask for them."""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from service.encoders import ActiveEncoder
from service.errors import InvalidParameter
from service.search.filters import EVERYTHING, Filters
from service.search.found import Method, Neighbour, ScanReport
from service.search.nearest import MAXIMUM_RANK, Collapse, nearest
from service.search.target import Target, find_slice

MAXIMUM_K = MAXIMUM_RANK


@dataclass(frozen=True)
class Query:
    """What is asked: a slice of the gallery and what its neighbours must be.

    `cursor` is an answer's `next_cursor`, and goes on where that one ended.
    """

    sop_instance_uid: str
    frame: int = 1
    k: int = 5
    same_patient: bool = False
    filters: Filters = EVERYTHING
    exact: bool = False
    collapse: Collapse = "none"
    explain: bool = False
    cursor: str | None = None


@dataclass(frozen=True)
class Answer:
    """The neighbours, nearest first, and how they were found.

    `complete` says that no nearer slice can be missing for want of rows: there are k neighbours, or
    all that the filters leave. `next_cursor` leads to the next ones, None where none can follow.
    """

    query: Query
    encoder: ActiveEncoder
    method: Method
    complete: bool
    neighbours: list[Neighbour] = field(default_factory=list)
    next_cursor: str | None = None
    explanation: ScanReport | None = None


def similar(connection: Connection, query: Query) -> Answer:
    """The k slices nearest to the query's, by default of other patients only.

    Raises:
        InvalidParameter: k, frame or a filter is out of range.
        InstanceUnknown, InstancePending, NotSearchable: the query's slice has no embedding.
        Unavailable: no encoder is active.
    """
    if not 1 <= query.k <= MAXIMUM_K:
        raise InvalidParameter(f"k must lie between 1 and {MAXIMUM_K}.")
    encoder, embedded = find_slice(connection, query.sop_instance_uid, query.frame)
    found = nearest(
        connection,
        encoder,
        Target.of(embedded),
        query.filters,
        k=query.k,
        same_patient=query.same_patient,
        collapse=query.collapse,
        exact=query.exact,
        explain=query.explain,
    )
    return Answer(
        query,
        encoder,
        found.method,
        found.complete,
        found.neighbours,
        explanation=found.explanation,
    )
