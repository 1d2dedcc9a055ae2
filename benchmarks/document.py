"""Puts a run's tables between the markers of docs/benchmarks.md; all else there stays."""

import re
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.run import Measured, Run
from benchmarks.section import Table


def write(path: Path, run: Run) -> None:
    """Replace the tables of the benchmarks that ran.

    Raises:
        BenchmarkError: a pair of markers is missing.
    """
    document = path.read_text(encoding="utf-8")
    for one in run.measured:
        document = _replaced(document, one.section.name, _markdown(run, one), path)
    path.write_text(document, encoding="utf-8")


def _replaced(document: str, name: str, content: str, path: Path) -> str:
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    replaced, times = pattern.subn(lambda _: f"{begin}\n{content}\n{end}", document)
    if times != 1:
        raise BenchmarkError(f"{path} has no pair of markers {begin} … {end}")
    return replaced


def _markdown(run: Run, one: Measured) -> str:
    parts = [_stamp(run, one)]
    for table in one.section.tables:
        parts += [f"**{table.title}**", _table(table)]
    parts.append("\n".join(f"* {note}" for note in one.section.notes))
    return "\n".join(f"\n{part}" for part in parts if part)


def _stamp(run: Run, one: Measured) -> str:
    machine = run.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    reasons = [
        *(["a short run"] if run.quick else []),
        *([] if one.before.is_quiet and one.after.is_quiet else ["the machine was busy"]),
    ]
    warning = f"**Not final: {' and '.join(reasons)}.** " if reasons else ""
    return (
        f"{warning}{run.made_at}, {run.repetitions} repetitions. {machine.processor}, "
        f"{machine.cores} cores, {machine.memory_gib} GiB of memory, {machine.filesystem}, "
        f"{machine.system}. {versions}. Before: {one.before.text()}. After: {one.after.text()}."
    )


def _table(table: Table) -> str:
    rule = tuple("---:" if table.is_numeric(n) else "---" for n in range(len(table.columns)))
    return "\n".join(f"| {' | '.join(row)} |" for row in (table.columns, rule, *table.rows))
