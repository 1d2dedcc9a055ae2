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
from service.search.reporting import ASTRAY, report_of
from service.search.scanning import Candidates, resolve, scan
from service.search.target import Target
from service.search.walking import Walk, Walked, first_walk, walk

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
    begun: Walked | None = None,
) -> Found:
    """The k slices nearest to `target` of those that pass `filters`, nearest first.

    They follow the first `offset`, or what stands at the place `after`; ranks count on from there.
    `collapse` keeps the nearest slice of each series or patient. Equal distances are put in the
    order of SOP Instance UID and frame. `begun` is a walk that was gone already and
    could not vouch for its answer.

    Raises:
        InvalidParameter: k or offset is out of range, or the filters contradict themselves.
        InstanceUnknown: the slice asked about was deleted meanwhile.
    """
    page = Page(k, offset, after)
    question = ask(
        encoder, target, filters, page=page, same_patient=same_patient, collapse=collapse
    )
    steps: list[Step] = []
    rows, method = _search(connection, question, steps, exact=exact, begun=begun)
    report = None
    if explain:
        report = report_of(connection, question, resolve(connection, question), steps, method)
    begins = question.page.rank_before + 1
    return Found(neighbours_of(rows, begins), method, True, report)


def neighbours_of(rows: Candidates, begins: int = 1) -> list[Neighbour]:
    """Rows as neighbours, ranked from `begins` on."""
    return [Neighbour(rank, *row[:11]) for rank, row in enumerate(rows, begins)]


def _search(
    connection: Connection,
    question: Question,
    steps: list[Step],
    *,
    exact: bool,
    begun: Walked | None,
) -> tuple[Candidates, Method]:
    scope = None
    if not exact:
        walked = begun or _walk(connection, question, first_walk(question), steps)
        while walked.rows is None:
            started = perf_counter()
            scope = scope or resolve(connection, question)
            way = longer_walk(connection, question, scope, walked)
            steps.append(Step("decision", 0, _ms_since(started)))
            if way is None:
                break
            walked = _walk(connection, question, way, steps)
        else:
            return walked.rows, "hnsw"
    started = perf_counter()
    rows = scan(connection, question, scope or resolve(connection, question))
    steps.append(Step("exact", None, _ms_since(started)))
    return rows, "exact"


def _walk(connection: Connection, question: Question, way: Walk, steps: list[Step]) -> Walked:
    started = perf_counter()
    walked = walk(connection, question, way)
    name = f"walk of {way.rows} rows{ASTRAY if walked.is_astray else ''}"
    steps.append(Step(name, walked.rows_walked, _ms_since(started)))
    return walked


def _ms_since(started: float) -> float:
    return round(1000 * (perf_counter() - started), 3)
