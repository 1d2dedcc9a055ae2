"""The query benchmark's samples as tables and sentences."""

from typing import Any

from benchmarks.query.searchers import EXACT, REST, SQL, K, Searched, Searcher, Searching
from benchmarks.section import Section, Table
from benchmarks.spread import Spread


def results(searching: Searching) -> Section:
    """A table for each size of gallery."""
    return Section(
        name="query",
        tables=tuple(_table(searched) for searched in searching.galleries),
        notes=(
            f"pgvector {searching.pgvector}; k = {K}, the query's own patient left out by all; "
            f"recall@{K} against the exact search in SQL.",
            *(note for searched in searching.galleries for note in _notes(searched)),
        ),
        data={"galleries": [_data(searched) for searched in searching.galleries]},
    )


def _table(searched: Searched) -> Table:
    truth = _truth(searched)
    return Table(
        f"{len(searched.slices):,} slices: milliseconds a query, {searched.asked} queries",
        ("search", "p50", "p99", f"recall@{K}"),
        tuple(
            (
                one.name,
                f"{1000 * Spread.of(one.latencies).percentile(50):.2f}",
                f"{1000 * Spread.of(one.latencies).percentile(99):.2f}",
                f"{one.recall(truth):.4f}",
            )
            for one in searched.searchers
        ),
    )


def _truth(searched: Searched) -> Searcher:
    return next(one for one in searched.searchers if one.name == EXACT)


def _notes(searched: Searched) -> tuple[str, ...]:
    gallery = searched.gallery
    p50 = {one.name: 1000 * Spread.of(one.latencies).percentile(50) for one in searched.searchers}
    added = p50[REST] - p50[SQL]
    return (
        f"{len(searched.slices):,} slices: HTTP, JSON and the route add {added:.1f} ms to the "
        "median of the search in SQL.",
        f"{len(searched.slices):,} slices: loading took {gallery.load_s:.1f} s, building the index "
        f"{gallery.index_s:.1f} s; {searched.by_index} of {searched.asked} default answers came "
        f"from the index; neighbours of the query's own patient: {searched.of_own_patient()}.",
    )


def _data(searched: Searched) -> dict[str, Any]:
    truth = _truth(searched)
    return {
        "slices": len(searched.slices),
        "dimension": searched.gallery.encoder.dimension,
        "load_s": searched.gallery.load_s,
        "index_s": searched.gallery.index_s,
        "answers_from_index": searched.by_index,
        "neighbours_of_own_patient": searched.of_own_patient(),
        "searchers": {
            one.name: {
                "latency_ms": [round(1000 * seconds, 4) for seconds in one.latencies],
                f"recall_at_{K}": one.recall(truth),
            }
            for one in searched.searchers
        },
    }
