"""The command `python -m benchmarks`."""

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import document
from benchmarks.console import progress_bar, show
from benchmarks.installation import forget_user_settings
from benchmarks.plan import Plan
from benchmarks.run import run

_ROOT = Path(__file__).resolve().parent.parent
_OUTPUT = _ROOT / ".bench"
_KEPT = _OUTPUT / "kept"
_DOCUMENT = _ROOT / "docs" / "benchmarks.md"


class Choice(StrEnum):
    """What to measure."""

    RECEIVE = "receive"
    EMBED = "embed"
    QUERY = "query"
    REINDEX = "reindex"
    ALL = "all"


def main(
    choice: Annotated[Choice, typer.Argument(help="What to measure.")] = Choice.ALL,
    repetitions: Annotated[int, typer.Option(min=1, help="Rounds; medians are over them.")] = 5,
    quick: Annotated[
        bool, typer.Option("--quick", help="Less work; the figures are not final.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Where the raw figures go (a file in .bench/).")
    ] = None,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Refresh the tables of docs/benchmarks.md.")
    ] = False,
    size: Annotated[
        int, typer.Option(min=1_000, envvar="SIZE", help="Slices of the larger gallery searched.")
    ] = 100_000,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep filled galleries in .bench/kept for later runs.")
    ] = False,
) -> None:
    """Measure Precuneus beside Orthanc, dcmtk, a ResNet-50, hnswlib and NumPy, in one run."""
    _clean_up_on_signals()
    forget_user_settings()
    console = Console()
    names = [c.value for c in Choice if c is not Choice.ALL] if choice is Choice.ALL else [choice]
    with _work_folder() as folder, progress_bar(console, "starting") as progress:
        plan = Plan(repetitions, quick, folder, progress, size, _KEPT if keep else None)
        found = run(names, plan)
    show(console, found)
    path = json_file or _OUTPUT / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(asdict(found), indent=1, default=str), encoding="utf-8")
    console.print(f"Raw figures: {path}", markup=False)
    if write_docs:
        document.write(_DOCUMENT, found)
        console.print(f"Tables written to {_DOCUMENT}", markup=False)
    raise typer.Exit(1 if found.failures else 0)


@contextmanager
def _work_folder() -> Iterator[Path]:
    """A folder on the disk of the checkout: /tmp may be memory, where a sync costs nothing."""
    _OUTPUT.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=_OUTPUT))
    # The embedded database may run as an account of its own, which must pass through.
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _clean_up_on_signals() -> None:
    """Turn the first signal into an orderly end, and let nothing interrupt that end."""
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(number: int, _frame: FrameType | None) -> None:
        for other in ending:
            signal.signal(other, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in ending:
        signal.signal(number, end)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
