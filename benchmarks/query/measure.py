"""Runs the query benchmark: every way of searching answers the same queries, in turns."""

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from benchmarks.children import HOST
from benchmarks.installation import Installation, installed
from benchmarks.plan import Plan
from benchmarks.query.brute import BruteForce, exported
from benchmarks.query.gallery import Gallery, fill, pgvector_version
from benchmarks.query.rest import RestClient
from benchmarks.query.searchers import EXACT, REST, SQL, K, Searched, Searcher, Searching, SqlSearch
from benchmarks.query.slices import MadeUpSlices, make_up
from model.checkpoint import default_checkpoint, describe
from model.errors import CheckpointMissingError
from model.network_config import MSNetConfig
from service.encoders.registry import load_basis
from service.export import export_gallery

SIZES = (3_000, 30_000)
_QUICK_SIZES = (3_000,)
_QUERIES = 100  # in each repetition
_WARM_UP = 20


def measure(plan: Plan) -> Searching:
    """Run the benchmark.

    Raises:
        BenchmarkError: the API failed.
        ServiceError: the embedded database failed.
    """
    searched = []
    for size in _QUICK_SIZES if plan.quick else SIZES:
        plan.progress(f"filling a gallery of {size} slices", 0, 1)
        slices = make_up(size, _dimension())
        with installed(plan.folder / f"gallery-{size}") as installation:
            with installation.engine.connect() as connection:
                pgvector = pgvector_version(connection)
            gallery = fill(installation.engine, slices)
            searched.append(_search(plan, installation, gallery, slices))
    return Searching(pgvector, tuple(searched))


def _dimension() -> int:
    """D of the encoder that ships, or of its default shape when none does yet."""
    try:
        _, info = describe(default_checkpoint())
    except CheckpointMissingError:
        return MSNetConfig().coordinate_dim
    return info.network.coordinate_dim


def _search(
    plan: Plan, installation: Installation, gallery: Gallery, slices: MadeUpSlices
) -> Searched:
    whole, reduced = _brute_forces(installation, gallery, plan)
    http = installation.settings.http
    hnsw = SqlSearch(installation.engine, exact=False)
    exact = SqlSearch(installation.engine, exact=True)
    with ExitStack() as stack:
        api = stack.enter_context(installation.running("api", "serve"))
        client = stack.enter_context(RestClient(HOST, http.port))
        api.await_ready(client.reconnect)
        searchers = (
            Searcher(SQL, hnsw),
            Searcher(REST, lambda uid: client.similar(uid, K), client.reconnect),
            Searcher(EXACT, exact),
            Searcher(f"NumPy, {whole.dimension:,} dimensions", whole),
            Searcher(f"NumPy, {reduced.dimension:,} dimensions", reduced),
        )
        queries = np.random.default_rng(1).permutation(len(slices))
        _warm_up(searchers, [gallery.uids[n] for n in queries[-_WARM_UP:]])
        hnsw.methods.clear()
        _repeat(plan, searchers, gallery, queries)
    return Searched(gallery, slices, searchers, hnsw.methods["hnsw"], sum(hnsw.methods.values()))


def _brute_forces(
    installation: Installation, gallery: Gallery, plan: Plan
) -> tuple[BruteForce, BruteForce]:
    """NumPy on what `precuneus gallery export` writes, and on the same in D dimensions."""
    path = plan.folder / "export.npz"
    export_gallery(installation.engine, path)
    with installation.engine.connect() as connection:
        basis = load_basis(connection, gallery.encoder.encoder_id)
    try:
        return exported(path, K, basis)
    finally:
        path.unlink()


def _warm_up(searchers: Sequence[Searcher], uids: Sequence[str]) -> None:
    for searcher in searchers:
        searcher.prepare()
        for uid in uids:
            searcher.search(uid)


def _repeat(
    plan: Plan, searchers: Sequence[Searcher], gallery: Gallery, queries: NDArray[np.int64]
) -> None:
    blocks = [queries[n * _QUERIES : (n + 1) * _QUERIES] for n in range(plan.repetitions)]
    for number, block in enumerate(block for block in blocks if len(block)):
        turn = number % len(searchers)
        order = (*searchers[turn:], *searchers[:turn])
        for position, searcher in enumerate(order):
            what = f"{searcher.name} on {len(gallery.uids)} slices"
            plan.progress(what, number * len(order) + position, len(blocks) * len(order))
            searcher.prepare()
            for query in block:
                searcher.ask(gallery.uids[query])
