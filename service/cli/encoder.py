"""`precuneus encoder …`: the encoders that a gallery knows, and which of them answers."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.output import JsonOption, print_json, print_table
from service.settings import Settings

if TYPE_CHECKING:
    from service.encoders.activation import Activation
    from service.encoders.standing import Standing

EncoderArgument = Annotated[
    str, typer.Argument(metavar="ENCODER", help="Its number or name, or how its name begins.")
]


def build_app() -> typer.Typer:
    """The group's commands."""
    app = typer.Typer(
        help="The gallery's encoders. To change the one that answers: `encoder register FILE`, "
        "`index reindex --encoder …`, `encoder activate …`; activating the old one rolls back.",
        no_args_is_help=True,
    )
    app.command("register")(register)
    app.command("list")(list_all)
    app.command("show")(show)
    app.command("activate")(activate)
    app.command("retire")(retire)
    return app


def register(
    checkpoint: Annotated[
        str, typer.Argument(metavar="FILE", help="A checkpoint; or default, or dev, as shipped.")
    ],
    json: JsonOption = False,
) -> None:
    """Make an encoder known to the gallery; its weights go into the database, for all workers.

    It is tried out on the CPU first. Nothing changes for searches.
    """
    from service.embedders import register_file
    from service.encoder_files import encoder_path
    from service.encoders.registry import find_encoder
    from service.encoders.standing import standing_of
    from service.opening import open_gallery

    settings = Settings()
    path = encoder_path(checkpoint)
    with open_gallery(settings) as engine:
        encoder = register_file(engine, settings, Path(path))
        with engine.connect() as connection:
            found = standing_of(connection, find_encoder(connection, str(encoder.encoder_id)))
    if json:
        print_json(found)
        return
    typer.echo(f"{found.name} is encoder {found.encoder_id}, {found.state}.")
    if found.state == "registered":
        typer.echo(f"Fill it with `precuneus index reindex --encoder {found.encoder_id}`.")


def list_all(json: JsonOption = False) -> None:
    """List the encoders, with their states and the room that they take."""
    from service.encoders.standing import list_standings
    from service.opening import open_gallery

    with open_gallery(Settings()) as engine, engine.connect() as connection:
        found = list_standings(connection)
    if json:
        print_json(found)
        return
    columns = ("number", "name", "state", "dimensions", "MB", "index", "behind", "registered")
    print_table("Encoders", columns, [_row(standing) for standing in found])


def _row(found: "Standing") -> tuple[object, ...]:
    megabytes = f"{found.bytes / 1e6:.1f}"
    day = f"{found.registered_at:%Y-%m-%d}"
    place = (found.encoder_id, found.name, found.state, found.dimension)
    return (*place, megabytes, found.index, found.behind, day)


def show(named: EncoderArgument, json: JsonOption = False) -> None:
    """Show all of one encoder, with the figures of its gate."""
    from service.cli.gate import gate_lines
    from service.encoders.registry import find_encoder
    from service.encoders.standing import details_of
    from service.opening import open_gallery

    with open_gallery(Settings()) as engine, engine.connect() as connection:
        found = details_of(connection, find_encoder(connection, named))
    if json:
        print_json(found)
        return
    rows: list[tuple[str, Any]] = list(vars(found.standing).items())
    rows += [("sha256", found.sha256), ("preprocessing", found.preprocessing)]
    rows += [("slices", found.slices)]
    print_table(f"Encoder {found.standing.name}", ("what", "value"), rows)
    for line in gate_lines(found.gate):
        typer.echo(line)


def activate(
    named: EncoderArgument,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Even if its gate did not pass, or it is behind: what it lacks is then pending.",
        ),
    ] = False,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for what arrived a moment ago.")
    ] = 60.0,
    json: JsonOption = False,
) -> None:
    """Let an encoder answer from the next query on; the old one is kept up to date beside it."""
    from service.opening import open_gallery

    with open_gallery(Settings()) as engine:
        done = _activate_patiently(engine, named, force, wait)
    if json:
        print_json(done)
        return
    typer.echo(f"{done.encoder} answers now; `encoder activate {done.previous}` rolls back.")
    if done.failed:
        typer.echo(f"{done.failed} instances could not be embedded by it: they are failed now.")
    if done.recovered:
        typer.echo(f"{done.recovered} instances are searchable again.")
    if done.requeued:
        typer.echo(f"{done.requeued} instances are pending until it has embedded them.")


def _activate_patiently(engine: Any, named: str, force: bool, wait_s: float) -> "Activation":
    from service.encoders.activation import activate as switch
    from service.errors import EncoderBehind

    until = time.monotonic() + wait_s
    while True:
        try:
            return switch(engine, named, force=force)
        except EncoderBehind:
            if time.monotonic() >= until:
                raise
        time.sleep(0.2)


def retire(named: EncoderArgument, json: JsonOption = False) -> None:
    """Drop an encoder's embeddings and index; it can no longer be rolled back to."""
    from service.encoders.retiring import retire as drop
    from service.opening import open_gallery

    with open_gallery(Settings()) as engine:
        facts = drop(engine, named)
    if json:
        print_json({"retired": facts.name})
    else:
        typer.echo(f"{facts.name} is retired; its row and its weights stay.")
