"""Runs the query benchmark on a small gallery and a large one."""

from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np

from benchmarks.children import HOST
from benchmarks.errors import BenchmarkError
from benchmarks.plan import Plan
from benchmarks.query import cases
from benchmarks.query.answers import Numbers
from benchmarks.query.clients import Crowd, crowd, rest_clients
from benchmarks.query.filled import Filled, filled
from benchmarks.query.found import Searched, Searching
from benchmarks.query.gallery import pgvector_version
from benchmarks.query.recipe import Floats, Recipe
from benchmarks.query.recipe import load as load_recipe
from benchmarks.query.rest import RestClient
from benchmarks.query.rivals import libraries
from benchmarks.query.searchers import REST, SEARCH, ServiceSearch
from benchmarks.query.slices import make_up
from model.checkpoint import default_checkpoint, load
from model.embedder import Embedder
from service.embedders import describe_encoder
from service.encoders.registry import EncoderDescription

_SMALL = 10_000
_QUICK_SIZES = (1_000, 5_000)
_QUERIES = 100  # in each repetition
_FILTERED_QUERIES = 200
_CROWD_QUERIES = 400
_CROWDS = (1, 8)
_TUNING = 1_000  # a library's width is chosen by these, or by a tenth of a small gallery


def measure(plan: Plan) -> Searching:
    """Run the benchmark.

    Raises:
        BenchmarkError: the API failed, a library does not reach the recall demanded, or another
            encoder ships than the recipe is of.
        ServiceError: the embedded database failed.
    """
    encoder, recipe = shipped_encoder(), load_recipe()
    _check(recipe, encoder)
    searched, pgvector = [], ""
    for size in _QUICK_SIZES if plan.quick else sorted({_SMALL, plan.size}):
        with filled(plan, make_up(size, recipe), encoder) as one:
            with one.installation.engine.connect() as connection:
                pgvector = pgvector_version(connection)
            searched.append(_search(plan, one, encoder.basis))
    return Searching(pgvector, encoder.name, tuple(searched))


def shipped_encoder() -> EncoderDescription:
    """What the gallery is told of the encoder that ships."""
    checkpoint = load(default_checkpoint())
    return describe_encoder(Embedder(checkpoint), checkpoint.info)


def _check(recipe: Recipe, encoder: EncoderDescription) -> None:
    if recipe.encoder != encoder.name:
        raise BenchmarkError(
            f"benchmarks/query/recipe.npz is of {recipe.encoder}, and {encoder.name} ships: make "
            "it anew with `python -m benchmarks.query.fit SLICES.csv`"
        )


def _search(plan: Plan, one: Filled, basis: Floats) -> Searched:
    slices, installation = one.slices, one.installation
    shuffled = np.random.default_rng(1).permutation(len(slices))
    queries = shuffled[: plan.repetitions * _QUERIES]
    tuning = shuffled[::-1][: min(_TUNING, len(slices) // 10)]
    plan.progress("building the libraries' indexes", 0, 1)
    found = tuple(libraries(slices, installation.folder))
    with ExitStack() as stack:
        api = stack.enter_context(installation.running("api", "serve"))
        client = stack.enter_context(RestClient(HOST, installation.settings.http.port))
        api.await_ready(client.reconnect)
        connection = stack.enter_context(installation.engine.connect())
        whole = (
            cases.other_patients(one, connection, client, found, basis, queries, tuning),
            cases.all_patients(one, connection, found, queries, tuning),
        )
        for case in whole:
            cases.ask(plan, case, queries, _QUERIES, tuning)
        few = queries[:_FILTERED_QUERIES]
        filtered_cases = tuple(cases.filtered(one, few))
        for case in filtered_cases:
            cases.ask(plan, case, few, len(few), tuning)
        crowds = tuple(_crowds(plan, one, stack, shuffled[-_CROWD_QUERIES:]))
    return Searched(len(slices), one.gallery, whole, filtered_cases, crowds, found)


def _crowds(plan: Plan, one: Filled, stack: ExitStack, queries: Numbers) -> Iterator[Crowd]:
    installation, asked = one.installation, queries.tolist()
    for clients in _CROWDS:
        plan.progress(f"{clients} clients at once", 0, 1)
        yield crowd(SEARCH, [ServiceSearch(installation.engine) for _ in range(clients)], asked)
        yield crowd(REST, rest_clients(stack, installation.settings.http.port, clients), asked)
