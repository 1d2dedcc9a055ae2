"""The search itself: chooses the way, and answers with k rows wherever k rows exist.

A short walk through the HNSW index comes first. Where it cannot vouch for its answer, it has seen
how common what is wanted is among the nearest rows, and that says whether a longer walk can, or
the exact comparison is the way (docs/search.md).
"""

from time import perf_counter

from sqlalchemy import Connection

from service.encoders.registry import ActiveEncoder
from service.search.filters import Filters
from service.search.found import Found, Method, Neighbour, Position, Step
from service.search.planning import longer_walk
from service.search.question import MAXIMUM_RANK, Collapse, Page, Question, ask
from service.search.reporting import report_of
from service.search.scanning import Candidates, resolve, scan
from service.search.target import Target
from service.search.walking import WALKS, walk

__all__ = ["MAXIMUM_RANK", "Collapse", "nearest"]


def nearest(
    connection: Connection,
    encoder: ActiveEncoder,
    target: Target,
    filters: Filters,
    *,
    k: int,
    offset: int = 0,
    after: Position | None = None,
    same_patient: bool = False,
    collapse: Collapse = "none",
    exact: bool = False,
    explain: bool = False,
) -> Found:
    """The k slices nearest to `target` of those that pass `filters`, nearest first.

    They follow the first `offset`, or what stands at the place `after`; ranks count on from there.
    `collapse` keeps the nearest slice of each series or patient. Equal distances are put in the
    order of SOP Instance UID and frame.

    Raises:
        InvalidParameter: k or offset is out of range, or the filters contradict themselves.
        InstanceUnknown: the slice asked about was deleted meanwhile.
    """
    page = Page(k, offset, after)
    question = ask(
        encoder, target, filters, page=page, same_patient=same_patient, collapse=collapse
    )
    steps: list[Step] = []
    rows, method = _search(connection, question, steps, exact=exact)
    report = None
    if explain:
        report = report_of(connection, question, resolve(connection, question), steps, method)
    begins = question.page.rank_before + 1
    neighbours = [Neighbour(rank, *row[:11]) for rank, row in enumerate(rows, begins)]
    return Found(neighbours, method, True, report)


def _search(
    connection: Connection, question: Question, steps: list[Step], *, exact: bool
) -> tuple[Candidates, Method]:
    way, scope = None if exact else WALKS[0], None
    while way is not None:
        started = perf_counter()
        walked = walk(connection, question, way)
        steps.append(Step(f"walk of {way.rows} rows", walked.rows_walked, _ms_since(started)))
        if walked.rows is not None:
            return walked.rows, "hnsw"
        started = perf_counter()
        scope = scope or resolve(connection, question)
        way = longer_walk(connection, question, scope, walked)
        steps.append(Step("decision", 0, _ms_since(started)))
    started = perf_counter()
    rows = scan(connection, question, scope or resolve(connection, question))
    steps.append(Step("exact", None, _ms_since(started)))
    return rows, "exact"


def _ms_since(started: float) -> float:
    return round(1000 * (perf_counter() - started), 3)
