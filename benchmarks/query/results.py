"""The query benchmark's samples as tables."""

from typing import Any

from benchmarks.query.answers import K
from benchmarks.query.found import Case, Searched, Searching
from benchmarks.query.searchers import Searcher
from benchmarks.query.sentences import sentences
from benchmarks.section import Section, Table


def results(searching: Searching) -> Section:
    """Tables for each size of gallery, and what they mean together."""
    return Section(
        name="query",
        tables=tuple(table for one in searching.galleries for table in _tables(one)),
        notes=sentences(searching),
        data={
            "encoder": searching.encoder,
            "galleries": [_data(one) for one in searching.galleries],
        },
    )


def _tables(one: Searched) -> tuple[Table, ...]:
    size = f"{one.size:,} slices"
    return (
        *(_whole(size, case) for case in one.cases),
        Table(
            f"{size}, filtered, the query's patient left out: milliseconds a query",
            ("filter", "keeps", "p50", "p99", f"recall@{K}", "rows missing", "by the index"),
            tuple(_filtered_row(case) for case in one.filtered),
        ),
        Table(
            f"{size}: several clients at once",
            ("search", "clients", "p50 ms", "p99 ms", "queries/s"),
            tuple(
                (
                    c.name,
                    str(c.clients),
                    f"{c.ms(50):.2f}",
                    f"{c.ms(99):.2f}",
                    f"{c.per_second:.0f}",
                )
                for c in one.crowds
            ),
        ),
        Table(
            f"{size}: what an index takes",
            ("index", "build, s", "bytes a slice"),
            (
                (
                    "PostgreSQL",
                    _seconds(one.gallery.index_s),
                    f"{one.gallery.index_bytes / one.size:,.0f}",
                ),
                *(
                    (b.name, f"{b.build_s:.1f}", f"{b.index_bytes / one.size:,.0f}")
                    for b in one.libraries
                ),
            ),
        ),
    )


def _whole(size: str, case: Case) -> Table:
    return Table(
        f"{size}, {case.name}: milliseconds a query",
        ("search", "p50", "p99", "queries", f"recall@{K}"),
        tuple(
            (
                one.name,
                f"{one.ms(50):.2f}",
                f"{one.ms(99):.2f}",
                str(len(one.latencies)),
                _recall(case, one),
            )
            for one in case.searchers
        ),
    )


def _recall(case: Case, searcher: Searcher) -> str:
    return f"{case.truth.recall(searcher.answers):.4f}" if searcher.answers else "–"


def _filtered_row(case: Case) -> tuple[str, ...]:
    (sql,) = case.searchers
    return (
        case.name,
        f"{100 * case.share:.1f} %",
        f"{sql.ms(50):.2f}",
        f"{sql.ms(99):.2f}",
        _recall(case, sql),
        str(case.truth.lacking(sql.answers)),
        f"{case.methods.get('hnsw', 0)} of {sum(case.methods.values())}",
    )


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _data(one: Searched) -> dict[str, Any]:
    return {
        "slices": one.size,
        "load_s": one.gallery.load_s,
        "index_s": one.gallery.index_s,
        "table_bytes": one.gallery.table_bytes,
        "index_bytes": one.gallery.index_bytes,
        "other_bytes": one.gallery.other_bytes,
        "cases": {case.name: _case_data(case) for case in (*one.cases, *one.filtered)},
        "clients": [
            {"name": c.name, "clients": c.clients, "latency_ms": _ms(c.latencies)}
            for c in one.crowds
        ],
    }


def _case_data(case: Case) -> dict[str, Any]:
    return {
        "share": case.share,
        "methods": dict(case.methods),
        "searchers": {
            one.name: {
                "latency_ms": _ms(one.latencies),
                f"recall_at_{K}": case.truth.recall(one.answers),
                "rows_missing": case.truth.lacking(one.answers),
                "rows_wrong": case.truth.wrong(one.answers),
            }
            for one in case.searchers
        },
    }


def _ms(latencies: list[float] | tuple[float, ...]) -> list[float]:
    return [round(1000 * seconds, 4) for seconds in latencies]
