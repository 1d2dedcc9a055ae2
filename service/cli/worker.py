"""`precuneus worker …`: the worker that embeds."""

from typing import Annotated

import typer

from service.settings import Settings


def build_app() -> typer.Typer:
    """The group's commands."""
    app = typer.Typer(help="The worker that embeds what arrived.", no_args_is_help=True)
    app.command("run")(run)
    app.callback()(lambda: None)
    return app


def run(
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, or auto: a GPU where there is one.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is left.")] = False,
) -> None:
    """Embed what waits (part of `precuneus serve`); several may run beside each other."""
    from service.processes.worker import run_worker

    changes = {"worker": {"device": device}} if device else {}
    raise typer.Exit(run_worker(Settings(**changes), once=once))  # type: ignore[arg-type]
