"""The kinds of search that are measured: with and without the query's patient, and filtered."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from benchmarks.plan import Plan
from benchmarks.query.answers import Mask, Numbers, find_truth
from benchmarks.query.brute import BruteForce, on_coordinates, on_embeddings
from benchmarks.query.clients import rest_search
from benchmarks.query.filled import Filled
from benchmarks.query.found import ALL, OTHERS, Case
from benchmarks.query.recipe import Floats
from benchmarks.query.rest import RestClient
from benchmarks.query.rivals import Library, tuned
from benchmarks.query.searchers import (
    EXACT,
    REST,
    SEARCH,
    SQL,
    Searcher,
    ServiceSearch,
    SqlSearch,
)
from benchmarks.query.slices import RARE, SCARCE, MadeUpSlices
from service.search.filters import Filters

_WARM_UP = 50
# Of what reads all slices: beyond so many, one query in so many is asked of it.
_READ_QUICKLY = 20_000
_EVERY = 10


def other_patients(
    one: Filled,
    connection: Connection,
    client: RestClient,
    found: Sequence[Library],
    basis: Floats,
    queries: Numbers,
    tuning: Numbers,
) -> Case:
    """The default search, beside all that can answer it."""
    engine, slices = one.installation.engine, one.slices
    every = _EVERY if len(slices) > _READ_QUICKLY else 1
    search = ServiceSearch(engine)
    searchers = (
        Searcher(SQL, SqlSearch(connection)),
        Searcher(SEARCH, search),
        Searcher(REST, rest_search(client), prepare=client.reconnect),
        *_tuned(found, slices, tuning, other_patients=True),
        Searcher(EXACT, ServiceSearch(engine, exact=True), every),
        *(_brute(force, every) for force in (on_embeddings(slices, basis), on_coordinates(slices))),
    )
    truth = find_truth(slices, queries, None, other_patients=True)
    return Case(OTHERS, searchers, truth, search.methods)


def all_patients(
    one: Filled, connection: Connection, found: Sequence[Library], queries: Numbers, tuning: Numbers
) -> Case:
    """The search without any condition, as the libraries know it."""
    engine, slices = one.installation.engine, one.slices
    search = ServiceSearch(engine, same_patient=True)
    searchers = (
        Searcher(SQL, SqlSearch(connection, same_patient=True)),
        Searcher(SEARCH, search),
        *_tuned(found, slices, tuning, other_patients=False),
    )
    truth = find_truth(slices, queries, None, other_patients=False)
    return Case(ALL, searchers, truth, search.methods)


def filtered(one: Filled, queries: Numbers) -> Iterator[Case]:
    """Searches that half of the slices pass, one in twenty, one in two hundred."""
    engine, slices = one.installation.engine, one.slices
    for name, filters, passing in _filters(slices):
        search = ServiceSearch(engine, filters=filters)
        truth = find_truth(slices, queries, passing, other_patients=True)
        yield Case(name, (Searcher(SEARCH, search),), truth, search.methods, float(passing.mean()))


def _filters(slices: MadeUpSlices) -> Iterator[tuple[str, Filters, Mask]]:
    # A modality says where a slice lies: half of the queries lie far from all that pass. A
    # manufacturer says nothing of it.
    yield "modality=MR", Filters(modality=("MR",)), slices.of_modality("MR")
    for maker in (SCARCE, RARE):
        yield f"manufacturer={maker}", Filters(manufacturer=(maker,)), slices.of_maker(maker)


def _tuned(
    found: Sequence[Library], slices: MadeUpSlices, tuning: Numbers, *, other_patients: bool
) -> Iterator[Searcher]:
    truth = find_truth(slices, tuning, None, other_patients=other_patients)
    for library in found:
        rival = tuned(library, slices, tuning, truth)
        name = f"{library.name}, ef {rival.width}"
        yield Searcher(name, rival, prepare=rival.widen)


def _brute(force: BruteForce, every: int) -> Searcher:
    return Searcher(f"NumPy, {force.dimension:,} dimensions", force, every)


def ask(plan: Plan, case: Case, queries: Numbers, per_round: int, warm_up: Numbers) -> None:
    """Let all searchers answer the same queries in turns; whoever begins a round ends the next."""
    for searcher in case.searchers:
        searcher.prepare()
        for query in warm_up[: _WARM_UP // searcher.every].tolist():
            searcher.search(query)
    case.methods.clear()
    rounds = [queries[n : n + per_round].tolist() for n in range(0, len(queries), per_round)]
    for number, block in enumerate(rounds):
        turn = number % len(case.searchers)
        order = (*case.searchers[turn:], *case.searchers[:turn])
        for position, searcher in enumerate(order):
            step = number * len(order) + position
            plan.progress(f"{case.name}: {searcher.name}", step, len(rounds) * len(order))
            searcher.ask_all(block)
