"""`precuneus index …`: what searches read, filled anew and looked after.

Each command has a file of its own; this one puts them together.
"""

import typer

from service.cli import index_reindex
from service.cli.index_calibrate import calibrate
from service.cli.index_hash import hash_
from service.cli.index_rebuild import rebuild
from service.cli.index_retry import retry_failed
from service.cli.index_verify import verify


def build_app() -> typer.Typer:
    """The group's commands."""
    app = typer.Typer(
        help="The search index: filled anew, its state, its care.", no_args_is_help=True
    )
    app.command("reindex")(index_reindex.reindex)
    app.command("status")(index_reindex.status)
    app.command("verify")(verify)
    app.command("retry-failed")(retry_failed)
    app.command("rebuild")(rebuild)
    app.command("calibrate")(calibrate)
    app.command("hash")(hash_)
    return app
