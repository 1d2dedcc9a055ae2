"""`precuneus index reindex` and `status`: a gallery embedded anew while it is searched."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.gate import gate_lines
from service.cli.output import JsonOption, print_json, print_table, progress_bar
from service.settings import Settings

if TYPE_CHECKING:
    from service.reindex.status import ReindexStatus

_LOOK_S = 1.0


def reindex(
    encoder: Annotated[
        str | None, typer.Option(help="The encoder's number or name; see `encoder list`.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return when it is done; 1 if its gate did not pass.")
    ] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="End the one under way; what it did is kept.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Embed the gallery by another encoder, while the active one answers.

    The workers do it when no live object waits (`precuneus serve`, or `worker run` on any number of
    machines), then build its index and check it. Called again, it goes on with the one under way.
    """
    from service.errors import InvalidParameter
    from service.opening import open_gallery
    from service.reindex import planning

    if cancel == (encoder is not None):
        raise InvalidParameter("Say which encoder (--encoder), or --cancel.")
    settings = Settings()
    with open_gallery(settings) as engine:
        if cancel:
            given_up = planning.cancel(engine)
            typer.echo(f"The reindex by {given_up.name} is cancelled.")
            return
        planning.begin(engine, encoder or "", settings.reindex.batch_size)
        found = _watch(engine) if wait else _look(engine)
    if json:
        print_json(found)
    else:
        _print(found)
    raise typer.Exit(1 if wait and found.phase != "passed" else 0)


def status(json: JsonOption = False) -> None:
    """Show how far the last reindex is, and how the encoders stand."""
    from service.encoders.standing import list_standings
    from service.errors import NoteUnreadable
    from service.opening import open_gallery
    from service.reindex.status import reindex_status
    from service.verifying.canary import read_canary

    with open_gallery(Settings()) as engine, engine.connect() as connection:
        found, standings = reindex_status(connection), list_standings(connection)
        canary, unreadable = None, ""
        try:
            canary = read_canary(connection)
        except NoteUnreadable as error:
            unreadable = str(error)
    if json:
        encoders = [_plain(standing) for standing in standings]
        print_json({"reindex": _plain(found), "encoders": encoders, "recall": _plain(canary)})
        return
    rows = [(s.encoder_id, s.name, s.state, s.index, s.behind) for s in standings]
    print_table("Encoders", ("number", "name", "state", "index", "behind"), rows)
    if found is not None:
        _print(found)
    if canary is not None or unreadable:
        typer.echo(canary.sentence() if canary else unreadable)


def _plain(value: Any) -> dict[str, Any] | None:
    return None if value is None else dict(vars(value))


def _look(engine: Any) -> "ReindexStatus":
    from service.reindex.status import reindex_status

    with engine.connect() as connection:
        found = reindex_status(connection)
    assert found is not None, "a reindex was begun"
    return found


def _watch(engine: Any) -> "ReindexStatus":
    """Show progress until it is done; a database that is away is waited for."""
    from sqlalchemy.exc import OperationalError

    with progress_bar() as progress:
        task = progress.add_task("filling", total=None)
        while True:
            try:
                found = _look(engine)
            except OperationalError:
                progress.update(task, description="waiting for the database")
            else:
                if found.phase == "indexing":
                    share = found.index_share or 0.0
                    progress.update(task, total=100, completed=round(100 * share))
                else:
                    progress.update(task, total=found.instances, completed=found.done)
                progress.update(task, description=found.phase)
                if found.finished_at is not None:
                    return found
            time.sleep(_LOOK_S)


def _print(found: "ReindexStatus") -> None:
    typer.echo(
        f"Reindex by {found.encoder}: {found.phase}, {found.done} of {found.instances} instances"
        + (f", {found.failed} failed" if found.failed else "")
        + (f", about {_span(found.eta_s)} left" if found.eta_s is not None else "")
        + (f", index {found.index_share:.0%}" if found.index_share is not None else "")
        + "."
    )
    if found.fault:
        typer.echo(f"It is tried again after a fault: {found.fault}.")
    for line in gate_lines(found.gate):
        typer.echo(line)
    if found.phase == "passed" and found.state == "ready":
        typer.echo(f"`precuneus encoder activate {found.encoder_id}` lets it answer.")


def _span(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
