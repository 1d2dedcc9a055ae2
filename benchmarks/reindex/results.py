"""The reindex benchmark's samples as tables and sentences."""

from typing import Any

from benchmarks.reindex.measure import Rebuilt
from benchmarks.reindex.pace import RATE, K
from benchmarks.section import Section, Table
from benchmarks.spread import Spread


def results(rebuilt: Rebuilt) -> Section:
    """A table for the build and one for the fill: queries before it and during it."""
    before = [s for one in rebuilt.rounds for s in one.before]
    during = [s for one in rebuilt.rounds for s in one.during]
    took = ", ".join(f"{one.build_s:.1f}" for one in rebuilt.rounds)
    rounds = rebuilt.rounds
    build = {"seconds": [r.build_s for r in rounds], "builds": [r.builds for r in rounds]}
    filled = rebuilt.filled
    return Section(
        name="reindex",
        tables=(
            _table(f"{rebuilt.slices:,} slices, index build", before, during),
            _table(f"{filled.slices:,} slices, fill by one worker", filled.before, filled.during),
        ),
        notes=(
            f"k = {K}; the index of a second partition of {rebuilt.slices:,} rows of "
            f"{rebuilt.dimension} dimensions is built beside them, in {took} s a build with its "
            f"check; {_count(rebuilt)}.",
            f"p99 during the build is {_ratio(before, during):.1f} times that before.",
            f"p99 during the fill is {_ratio(filled.before, filled.during):.1f} times that before, "
            f"with a share of {filled.share}.",
        ),
        data={
            "slices": rebuilt.slices,
            "build": _data(before, during) | build,
            "fill": _data(filled.before, filled.during) | {"slices": filled.slices},
        },
    )


def _count(rebuilt: Rebuilt) -> str:
    builds, rounds = sum(one.builds for one in rebuilt.rounds), len(rebuilt.rounds)
    return f"{builds} builds in {rounds} rounds"


def _table(title: str, before: list[float], during: list[float]) -> Table:
    return Table(
        f"{title}: milliseconds a query over REST, {RATE} a second",
        ("queries", "number", "p50", "p99"),
        (_row("before", before), _row("during", during)),
    )


def _row(name: str, seconds: list[float]) -> tuple[str, ...]:
    spread = Spread.of(seconds)
    milliseconds = (f"{1000 * spread.percentile(p):.1f}" for p in (50, 99))
    return (name, str(len(seconds)), *milliseconds)


def _ratio(before: list[float], during: list[float]) -> float:
    return Spread.of(during).percentile(99) / Spread.of(before).percentile(99)


def _data(before: list[float], during: list[float]) -> dict[str, Any]:
    return {
        "p99_ratio": _ratio(before, during),
        "before_ms": [round(1000 * s, 3) for s in before],
        "during_ms": [round(1000 * s, 3) for s in during],
    }
