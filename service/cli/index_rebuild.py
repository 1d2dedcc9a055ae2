"""`precuneus index rebuild`: builds the search index anew while searches go on."""

from typing import Annotated

import typer

from service.cli.output import JsonOption, print_json, progress_bar
from service.settings import Settings


def rebuild(
    processes: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="PostgreSQL's helpers beside one process, 0 on a busy server; without it all "
            "cores build, as far as shared memory has room for them.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Build the active encoder's index anew; searches go on with the old one until it is there.

    For an index that `index verify` calls invalid or lossy, or that leaves slices out of reach, and
    after very many deletions. Chance draws its graph: a bad draw is built again, at most 3 times in
    all. Needs disk for a second index. Interrupted, it is simply given again: what it left is
    dropped first.
    """
    from service.opening import open_gallery
    from service.verifying.rebuilding import rebuild as run

    settings = Settings()
    with open_gallery(settings) as engine, progress_bar() as progress:
        task = progress.add_task("waiting", total=None)

        def tell(phase: str, done: int, total: int) -> None:
            progress.update(task, description=phase, completed=done, total=total or None)

        rebuilt = run(engine, settings, tell, processes=processes)
    if json:
        print_json(rebuilt)
        return
    for name in rebuilt.dropped:
        typer.echo(f"{name}, which an interrupted build left, is dropped.")
    megabytes = rebuilt.bytes_after / 1024**2
    if rebuilt.builds > 1:
        typer.echo(f"Built {rebuilt.builds} times, since slices were out of reach.")
    typer.echo(rebuilt.reach.sentence())
    typer.echo(f"{rebuilt.index} built anew in {rebuilt.seconds:.1f} s, {megabytes:.1f} MiB.")
