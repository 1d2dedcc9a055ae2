"""`precuneus gallery label`: records what a table says of instances and studies."""

import getpass
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.output import JsonOption, print_json, progress_bar
from service.settings import Settings

if TYPE_CHECKING:
    from service.labels.writing import LabelReport


def label(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV: sop_instance_uid or study_instance_uid, label, [source, scheme, code, "
            "meaning, origin, author, stated_at].",
            exists=True,
            dir_okay=False,
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be recorded, and record nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Record labels; what the same source said of a UID before is replaced, and kept as history.

    All of the table is recorded or nothing: if lines are wrong they are listed, and the exit code
    is 2. source is report, pathology, import or prediction; any other word counts as an import of
    that origin. Codes: scheme SCT (SNOMED CT), RADLEX, or 99… of your own.
    """
    from service.labels.faults import InvalidLabels

    try:
        report = _import(file, dry_run=dry_run)
    except InvalidLabels as error:
        if not json:
            raise
        print_json(dict(error.members))
        raise typer.Exit(error.exit_code) from None
    if json:
        print_json({**asdict(report), "dry_run": dry_run})
    else:
        _tell(report, dry_run=dry_run)


def _import(file: Path, *, dry_run: bool) -> "LabelReport":
    from service.labels.importing import import_file
    from service.opening import open_gallery

    settings = Settings()
    with open_gallery(settings) as engine, progress_bar() as progress:
        task = progress.add_task("reading labels", total=None)
        return import_file(
            engine,
            file,
            settings.labels,
            recorded_by=getpass.getuser(),
            dry_run=dry_run,
            advance=lambda count: progress.update(task, completed=count),
        )


def _tell(report: "LabelReport", *, dry_run: bool) -> None:
    if dry_run:
        typer.echo("Nothing is recorded. This would be:")
    typer.echo(
        f"{report.recorded} labels recorded, {report.replaced} replaced, "
        f"{report.unchanged} unchanged, of {report.subjects} instances or studies."
    )
    if report.waiting:
        typer.echo(f"{report.waiting} of them are not in the gallery yet; their labels wait.")
