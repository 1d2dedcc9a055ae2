"""`precuneus worker …`: the worker that embeds."""

from typing import Annotated

import typer

from service.metrics_folder import share_metrics
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
    changes = {"worker": {"device": device}} if device else {}
    settings = Settings(**changes)  # type: ignore[arg-type]
    share_metrics(settings.state_dir)
    from service.processes.worker import run_worker

    raise typer.Exit(run_worker(settings, once=once))
