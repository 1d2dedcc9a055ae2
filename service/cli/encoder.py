"""`precuneus encoder …`: the encoders that a gallery knows, and which of them answers."""

import typer


def build_app() -> typer.Typer:
    """The group's commands."""
    app = typer.Typer(help="The gallery's encoders.", no_args_is_help=True)
    app.callback()(lambda: None)
    return app
