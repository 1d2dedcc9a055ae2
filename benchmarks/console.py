"""Progress and tables in the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table as RichTable

from benchmarks.plan import Progress
from benchmarks.run import Run
from benchmarks.section import Table


@contextmanager
def progress_bar(console: Console, name: str) -> Iterator[Progress]:
    """A bar that says what is under way."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task(name, total=None)

        def advance(what: str, done: int, total: int) -> None:
            bars.update(task, description=what, completed=done, total=total)

        yield advance


def show(console: Console, run: Run) -> None:
    """Print everything that was found."""
    for one in run.measured:
        console.rule(one.section.name)
        for table in one.section.tables:
            console.print(_table(table))
        for note in one.section.notes:
            console.print(f"  {note}", markup=False)
        console.print(f"  Before: {one.before.text()}", markup=False)
        console.print(f"  After: {one.after.text()}", markup=False)
    for name, why in run.failures:
        console.print(f"{name} could not be measured: {why}", style="red", markup=False)


def _table(table: Table) -> RichTable:
    shown = RichTable(title=table.title, title_justify="left")
    for number, column in enumerate(table.columns):
        shown.add_column(column, justify="right" if table.is_numeric(number) else "left")
    for row in table.rows:
        shown.add_row(*row)
    return shown
