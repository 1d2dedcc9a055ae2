"""The slices similar to one of the gallery, as the API and the command line ask for them."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from service.encoders.registry import ActiveEncoder
from service.errors import InvalidParameter
from service.hashing.search import hashed_nearest
from service.search.direct import Message, farther, message, remember, remembered, send
from service.search.filters import EVERYTHING, Filters
from service.search.found import Found, Method, Neighbour, ScanReport
from service.search.nearest import MAXIMUM_RANK, Collapse, nearest, neighbours_of
from service.search.paging import Paging, page_of
from service.search.question import Page
from service.search.target import Target, find_slice
from service.search.walking import Walked

MAXIMUM_K = MAXIMUM_RANK


@dataclass(frozen=True)
class Query:
    """What is asked: a slice of the gallery and what its neighbours must be.

    `by_codes` goes by binary codes, which find fewer of the true neighbours. `cursor` is an
    answer's `next_cursor`, and goes on where that one ended.
    """

    sop_instance_uid: str
    frame: int = 1
    k: int = 5
    same_patient: bool = False
    filters: Filters = EVERYTHING
    exact: bool = False
    collapse: Collapse = "none"
    explain: bool = False
    by_codes: bool = False
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
        InvalidParameter: k, frame or a filter is out of range, or the cursor not of this question.
        StaleCursor: another encoder is active than when the cursor was given.
        InstanceUnknown, InstancePending, NotSearchable: the query's slice has no embedding.
        Unavailable: no encoder is active.
    """
    if not 1 <= query.k <= MAXIMUM_K:
        raise InvalidParameter(f"k must lie between 1 and {MAXIMUM_K}.")
    direct = _directly(connection, query)
    if direct is not None and direct[1].rows is not None:
        found = Found(neighbours_of(direct[1].rows), "hnsw", complete=True)
        return _answer(query, direct[0], found, Paging(query.k, None, query.k))
    walked = None if direct is None else direct[1]
    encoder, embedded = find_slice(connection, query.sop_instance_uid, query.frame)
    remember(connection, encoder)
    page = page_of(encoder, _facts(query), query.cursor, query.k)
    found = _find(connection, encoder, Target.of(embedded), query, page, walked)
    return _answer(query, encoder, found, page)


def _directly(connection: Connection, query: Query) -> tuple[ActiveEncoder, Walked] | None:
    """The first walk or two, of the encoder that is active, where little else is asked for."""
    encoder = remembered(connection)
    if encoder is None or connection.in_transaction():
        return None
    if query.exact or query.explain or query.by_codes or query.cursor is not None:
        return None
    sent = first_message(encoder, query)
    walked = send(connection, sent)
    if walked is not None and walked.rows is None:
        again = farther(sent, walked)
        if again is not None:
            walked = send(connection, again)
    return None if walked is None else (encoder, walked)


def first_message(encoder: ActiveEncoder, query: Query) -> Message:
    """What is sent first for a query without a cursor, if `encoder` is active.

    Raises:
        InvalidParameter: a filter is out of range.
    """
    return message(
        encoder,
        query.sop_instance_uid,
        query.frame,
        query.filters,
        page=Page(query.k),
        same_patient=query.same_patient,
        collapse=query.collapse,
    )


def _answer(query: Query, encoder: ActiveEncoder, found: Found, page: Paging) -> Answer:
    cursor = page.next_cursor(encoder, _facts(query), found)
    how = (found.method, found.complete, found.neighbours)
    return Answer(query, encoder, *how, next_cursor=cursor, explanation=found.explanation)


def _find(
    connection: Connection,
    encoder: ActiveEncoder,
    target: Target,
    query: Query,
    paging: Paging,
    begun: Walked | None,
) -> Found:
    page: dict[str, Any] = {"k": paging.k, "after": paging.after}
    page["same_patient"] = query.same_patient
    if query.by_codes:
        if query.collapse != "none" or query.exact:
            raise InvalidParameter("A search by codes is neither exact, nor does it collapse.")
        return hashed_nearest(connection, encoder, target, query.filters, **page)
    how: dict[str, Any] = {"exact": query.exact, "explain": query.explain, "begun": begun}
    return nearest(
        connection, encoder, target, query.filters, **page, **how, collapse=query.collapse
    )


def _facts(query: Query) -> dict[str, Any]:
    """What a cursor belongs to: all but how many are asked for, and how they are found."""
    return {
        "sop_instance_uid": query.sop_instance_uid,
        "frame": query.frame,
        "same_patient": query.same_patient,
        "collapse": query.collapse,
        "filters": query.filters.facts(),
    }
