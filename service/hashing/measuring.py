"""What codes find and cost on a gallery of one's own, beside the default search."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from sqlalchemy import Connection

from service.encoders.registry import ActiveEncoder
from service.hashing.search import hashed_nearest
from service.search.filters import EVERYTHING
from service.search.found import Found
from service.search.nearest import nearest
from service.search.target import EmbeddedSlice, Target
from service.verifying.recall import K, count_right, draw_slices

CANDIDATES = (200, 400, 1000, 2000, 4000)

_Search = Callable[[Target], Found]


@dataclass(frozen=True)
class Measured:
    """One way of searching: the share of the true ten neighbours found, and its milliseconds."""

    search: str
    recall: float
    p50_ms: float
    p99_ms: float


def measure_codes(
    connection: Connection,
    encoder: ActiveEncoder,
    queries: int,
    advance: Callable[[], object] = lambda: None,
) -> list[Measured]:
    """The exact search, the default one, and codes with more and more candidates.

    Every search is asked all queries once before it is timed.

    Raises:
        NotSearchable: there are no codes.
        SQLAlchemyError: the database failed.
    """

    def by_codes(candidates: int) -> _Search:
        return lambda target: hashed_nearest(
            connection, encoder, target, EVERYTHING, k=K, candidates=candidates
        )

    searches: dict[str, _Search] = {
        "exact": lambda target: nearest(connection, encoder, target, EVERYTHING, k=K, exact=True),
        "default": lambda target: nearest(connection, encoder, target, EVERYTHING, k=K),
    }
    searches |= {f"{count} by codes": by_codes(count) for count in CANDIDATES}
    slices = draw_slices(connection, encoder, queries)
    truth: list[Found] = []
    measured = []
    for name, search in searches.items():
        found, seconds = _ask(search, slices, advance)
        truth = truth or found
        measured.append(_measured(name, found, truth, seconds))
    return measured


def _ask(
    search: _Search, slices: list[EmbeddedSlice], advance: Callable[[], object]
) -> tuple[list[Found], list[float]]:
    targets = [Target.of(slice_) for slice_ in slices]
    for target in targets:
        search(target)
    found, seconds = [], []
    for target in targets:
        started = perf_counter()
        found.append(search(target))
        seconds.append(perf_counter() - started)
    advance()
    return found, seconds


def _measured(name: str, found: list[Found], truth: list[Found], seconds: list[float]) -> Measured:
    pairs = [
        (one.neighbours, true.neighbours)
        for one, true in zip(found, truth, strict=True)
        if true.neighbours
    ]
    right = sum(count_right(neighbours, true) for neighbours, true in pairs)
    there = sum(len(true) for _, true in pairs)
    p50, p99 = (1000 * float(np.percentile(seconds or [0.0], at)) for at in (50, 99))
    return Measured(name, right / there if there else 1.0, p50, p99)
