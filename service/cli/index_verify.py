"""`precuneus index verify`: whether files, rows, vectors and the index agree."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, TaskID

from service.cli.output import JsonOption, print_json, progress_bar
from service.settings import Settings

if TYPE_CHECKING:
    from service.verifying.report import Verification


def verify(
    sample: Annotated[
        int, typer.Option(min=1, help="Slices to search near, and files to read whole.")
    ] = 100,
    deep: Annotated[bool, typer.Option("--deep", help="Read all files whole.")] = False,
    recompute: Annotated[
        int, typer.Option(min=0, help="Instances to embed anew and compare (loads the network).")
    ] = 0,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend rows: copies, jobs, vectors to embed anew.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Compare files, rows and vectors with each other, and the index with an exact search.

    It looks at every row and every file's size and may run beside a busy service. Each fault is
    said with what to do; the exit code is then 1. No fault of a file is ever repaired here.
    """
    from dicom_node.configure import configure_pydicom
    from service.opening import object_store, open_gallery
    from service.verifying.verify import Extent
    from service.verifying.verify import verify as run

    configure_pydicom()
    settings = Settings()
    extent = Extent(sample, deep, recompute, repair)
    with open_gallery(settings) as engine, progress_bar() as progress:
        found = run(engine, object_store(settings), settings, extent, _telling(progress))
    if json:
        print_json(found)
    else:
        _print(found)
    raise typer.Exit(0 if found.is_sound else 1)


def _telling(progress: Progress) -> Callable[[str, int, int], None]:
    """A bar for each step."""
    tasks: dict[str, TaskID] = {}

    def tell(step: str, done: int, total: int) -> None:
        if step not in tasks:
            tasks[step] = progress.add_task(step)
        progress.update(tasks[step], completed=done, total=max(done, total))

    return tell


def _print(found: "Verification") -> None:
    looked = found.looked
    typer.echo(
        f"{looked.instances} instances, {looked.slices} slices of encoder {found.encoder or 'none'}"
    )
    files = ", ".join(f"{count} {kind}" for kind, count in sorted(looked.files.items()) if count)
    typer.echo(f"files: {files or 'none'}; {looked.contents} read whole")
    if looked.recomputed:
        typer.echo(f"{looked.recomputed} slices embedded anew")
    if found.recall is not None:
        recall = found.recall
        typer.echo(
            f"recall@{recall.k} {recall.mean:.4f} over {recall.queries} queries, the worst "
            f"{recall.worst:.2f} near {recall.worst_sop_instance_uid}"
        )
    if found.reach is not None:
        typer.echo(f"out of the index's reach: {found.reach.lost} of {found.reach.looked} slices")
    for kind, count in found.repaired.items():
        typer.echo(f"repaired: {kind}: {count}")
    for note in found.notes:
        typer.echo(note)
    for fault in found.faults:
        typer.secho(f"{fault.kind}: {fault.sentence()}", fg="red", err=True)
        for example in fault.examples:
            typer.echo(f"  {example}", err=True)
    if found.is_sound:
        typer.echo("Nothing is wrong.")
