"""The route about who came to the node."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from service.api.deps import ConnectionDep
from service.api.problems import responses
from service.api.schemas import AssociationsBody
from service.associations.listing import Position, Selection, list_associations
from service.associations.paging import position_of, token_of
from service.associations.record import Outcome

_MAXIMUM_LIMIT = 1000

router = APIRouter(prefix="/v1/node", tags=["node"])

_PRINTABLE = "^[ -~]+$"


@router.get("/associations", responses=responses(422, 503))
def get_associations(
    connection: ConnectionDep,
    since: Annotated[
        AwareDatetime | None, Query(description="still there at that time, or came later")
    ] = None,
    outcome: Annotated[Outcome | None, Query(description="how it ended")] = None,
    calling_ae_title: Annotated[
        str | None, Query(min_length=1, max_length=16, pattern=_PRINTABLE)
    ] = None,
    refused: Annotated[
        bool,
        Query(description="only where association, context or object was refused, or it aborted"),
    ] = False,
    limit: Annotated[int, Query(ge=1, le=_MAXIMUM_LIMIT)] = 100,
    cursor: Annotated[
        str | None, Query(max_length=200, description="`next_cursor` of the page before")
    ] = None,
) -> AssociationsBody:
    """Who came to the node, when, what was accepted or refused and why; the newest first."""
    selection = Selection(since, outcome, calling_ae_title, refused)
    before = position_of(cursor) if cursor is not None else None
    found = list_associations(connection, selection, limit + 1, before)
    page, last = found[:limit], found[limit - 1 : limit]
    goes_on = len(found) > limit
    return AssociationsBody.of(
        page, token_of(Position(last[0].started_at, last[0].association_id)) if goes_on else None
    )
