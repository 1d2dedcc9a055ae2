"""`precuneus gallery admit`: applies the present rules of admission to what is stored."""

from dataclasses import asdict
from typing import Annotated

import typer

from service.cli.output import JsonOption, print_json, progress_bar
from service.settings import Settings


def admit(
    again: Annotated[
        bool, typer.Option("--again", help="Reconsider all that is stored, or was dropped.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would change, and change nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Apply the present rules of admission (PRECUNEUS_GALLERY__ADMIT) to what came under others.

    What is admitted now is queued; what is no longer admitted leaves the search at once and keeps
    its file. What was dropped and would be kept now is asked for again by the next `node pull`.
    Start the node anew first, so that it goes by the same rules. An interrupted run is simply run
    again.
    """
    from service.admission.loading import load_rules
    from service.errors import InvalidParameter
    from service.opening import open_gallery
    from service.readmitting import count_instances, readmit

    if not again:
        raise InvalidParameter("Say --again: new objects go by the rules without this command.")
    settings = Settings()
    rules = load_rules(settings)
    with open_gallery(settings) as engine, progress_bar() as progress:
        task = progress.add_task("reconsidering", total=count_instances(engine))
        report = readmit(
            engine, rules, dry_run=dry_run, advance=lambda count: progress.advance(task, count)
        )
    if json:
        print_json({**asdict(report), "dry_run": dry_run})
        return
    typer.echo(("Nothing is changed. " if dry_run else "") + report.sentence())
    for reason, count in sorted(report.reasons.items()):
        typer.echo(f"  {count} {reason}")
