"""`precuneus index …`: what searches read, filled anew and looked after.

Each command has a file of its own; this one puts them together.
"""

import typer

from service.cli import index_reindex


def build_app() -> typer.Typer:
    """The group's commands."""
    app = typer.Typer(help="The search index: filled anew, and its state.", no_args_is_help=True)
    app.command("reindex")(index_reindex.reindex)
    app.command("status")(index_reindex.status)
    return app
