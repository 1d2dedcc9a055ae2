"""`precuneus index …`: what is searched, and how well."""

import typer

from service.cli.index_calibrate import calibrate


def build_app() -> typer.Typer:
    """The group's commands."""
    app = typer.Typer(help="What is searched, and how well.", no_args_is_help=True)
    app.command("calibrate")(calibrate)
    app.callback()(lambda: None)
    return app
