"""What the query benchmark's figures mean, one sentence each."""

from collections.abc import Iterator

from benchmarks.query.answers import K
from benchmarks.query.found import ALL, OTHERS, Searched, Searching
from benchmarks.query.searchers import REST, SEARCH, SQL

_MIB = 1 << 20
_RIVALS = ("hnswlib", "usearch", "NumPy, 4,096")


def sentences(searching: Searching) -> tuple[str, ...]:
    """Sentences about each gallery, and about the growth from the small one to the large one."""
    return (
        f"pgvector {searching.pgvector}, vectors of {searching.encoder}; k = {K}; recall@{K} "
        "against comparing with every slice. The libraries search as narrowly as reaches 0.99.",
        *(sentence for one in searching.galleries for sentence in _of(one)),
        *_growth(searching),
    )


def _of(one: Searched) -> Iterator[str]:
    size, gallery = f"{one.size:,} slices", one.gallery
    for name in (OTHERS, ALL):
        for kind, what in ((SQL, "SQL"), (SEARCH, "whole search in Python")):
            ratios = ", ".join(_ratios(one, name, kind))
            if ratios:
                yield f"{size}, {name}: the median of the {what} is {ratios}."
    others = one.case(OTHERS)
    search, rest = others.of(SEARCH), others.of(REST)
    if search is not None and rest is not None:
        yield (
            f"{size}: HTTP, JSON and the route add {rest.ms(50) - search.ms(50):.1f} ms to the "
            f"median of the search; {others.methods.get('hnsw', 0)} of "
            f"{sum(others.methods.values())} default answers came from the index."
        )
    wrong = sum(
        case.truth.wrong(searcher.answers)
        for case in (*one.cases, *one.filtered)
        for searcher in case.searchers
        if searcher.answers and not searcher.name.startswith("NumPy, 4,096")
    )
    yield f"{size}: rows of a patient left out or outside a filter, in all answers: {wrong}."
    if gallery.load_s is not None and gallery.index_s is not None:
        yield (
            f"{size}: loading took {gallery.load_s:.1f} s ({one.size / gallery.load_s:,.0f} slices "
            f"a second), building the index {gallery.index_s:.1f} s "
            f"({one.size / gallery.index_s:,.0f} a second)."
        )
    whole = gallery.table_bytes + gallery.index_bytes + gallery.other_bytes
    yield (
        f"{size}: {whole / one.size:,.0f} bytes a slice in the database: "
        f"{gallery.table_bytes / one.size:,.0f} its coordinates' row, "
        f"{gallery.index_bytes / one.size:,.0f} the index, "
        f"{gallery.other_bytes / one.size:,.0f} all else; {whole / _MIB:,.0f} MiB in all."
    )


def _ratios(one: Searched, name: str, kind: str) -> Iterator[str]:
    case = one.case(name)
    asked = case.of(kind)
    for rival in _RIVALS:
        other = case.of(rival)
        if asked is None or other is None:
            continue
        if rival.startswith("NumPy"):
            yield f"1/{other.ms(50) / asked.ms(50):.1f} of that of {rival} dimensions"
        else:
            yield f"{asked.ms(50) / other.ms(50):.1f} times that of {rival}"


def _growth(searching: Searching) -> Iterator[str]:
    if len(searching.galleries) < 2:
        return
    small, large = searching.galleries[0], searching.galleries[-1]
    for name in (SQL, SEARCH, REST):
        before, after = small.case(OTHERS).of(name), large.case(OTHERS).of(name)
        if before is not None and after is not None:
            times = after.ms(50) / before.ms(50)
            yield (
                f"{name}: the median at {large.size:,} slices is {times:.2f} times that at "
                f"{small.size:,}."
            )
