"""The reindex benchmark's samples as a table and sentences."""

from benchmarks.reindex.measure import RATE, K, Rebuilt
from benchmarks.section import Section, Table
from benchmarks.spread import Spread


def results(rebuilt: Rebuilt) -> Section:
    """One table: queries before the build and during it."""
    before = [s for one in rebuilt.rounds for s in one.before]
    during = [s for one in rebuilt.rounds for s in one.during]
    ratio = Spread.of(during).percentile(99) / Spread.of(before).percentile(99)
    builds = ", ".join(f"{one.build_s:.1f}" for one in rebuilt.rounds)
    return Section(
        name="reindex",
        tables=(
            Table(
                f"{rebuilt.slices:,} slices: milliseconds a query over REST, {RATE} a second",
                ("queries", "number", "p50", "p99"),
                (_row("before the build", before), _row("during the build", during)),
            ),
        ),
        notes=(
            f"k = {K}; the index of a second partition of {rebuilt.slices:,} rows of "
            f"{rebuilt.dimension} dimensions is built beside them, in {builds} s.",
            f"p99 during the build is {ratio:.1f} times that before.",
        ),
        data={
            "slices": rebuilt.slices,
            "p99_ratio": ratio,
            "rounds": [
                {
                    "before_ms": [round(1000 * s, 3) for s in one.before],
                    "during_ms": [round(1000 * s, 3) for s in one.during],
                    "build_s": one.build_s,
                }
                for one in rebuilt.rounds
            ],
        },
    )


def _row(name: str, seconds: list[float]) -> tuple[str, ...]:
    spread = Spread.of(seconds)
    milliseconds = (f"{1000 * spread.percentile(p):.1f}" for p in (50, 99))
    return (name, str(len(seconds)), *milliseconds)
