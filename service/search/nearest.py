"""The search itself: chooses the way, and answers with k rows wherever k rows exist.

A short walk through the HNSW index comes first; where it cannot vouch for its answer a longer one,
and where that cannot either the exact comparison (docs/search.md).
"""

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, Row

from service.encoders import ActiveEncoder
from service.search.filters import Filters
from service.search.found import Found, Method, Neighbour, Position, ScanReport, Step
from service.search.question import MAXIMUM_RANK, Collapse, Question, ask
from service.search.scanning import count, scan
from service.search.target import Target
from service.search.walking import LONG, SHORT, walk

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
    """
    question = ask(
        encoder,
        target,
        filters,
        k=k,
        offset=offset,
        position=after,
        same_patient=same_patient,
        collapse=collapse,
    )
    steps: list[Step] = []
    rows, method = _search(connection, question, steps, exact=exact)
    report = _report(connection, question, steps) if explain else None
    begins = question.rank_before + 1
    neighbours = [Neighbour(rank, *row[:11]) for rank, row in enumerate(rows, begins)]
    return Found(neighbours, method, True, report)


def _search(
    connection: Connection, question: Question, steps: list[Step], *, exact: bool
) -> tuple[Sequence[Row[*tuple[Any, ...]]], Method]:
    for way in () if exact else (SHORT, LONG):
        started = perf_counter()
        found = walk(connection, question, way)
        steps.append(Step(f"walk of {way.rows}", way.rows, 1000 * (perf_counter() - started)))
        if found is not None:
            return found, "hnsw"
    started = perf_counter()
    rows = scan(connection, question)
    steps.append(Step("exact", None, 1000 * (perf_counter() - started)))
    return rows, "exact"


def _report(connection: Connection, question: Question, steps: list[Step]) -> ScanReport:
    rows, passing = count(connection, question)
    return ScanReport(rows, passing, 0, "", tuple(steps))
