"""`precuneus index …`: what searches read, filled anew and looked after.

Each command has a file of its own; this one puts them together.
"""

import typer


def build_app() -> typer.Typer:
    """The group's commands."""
    app = typer.Typer(help="The search index: reindex, its state, its care.", no_args_is_help=True)
    app.callback()(lambda: None)
    return app
