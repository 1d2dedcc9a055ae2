"""`precuneus index retry-failed`: queues failed instances again."""

from typing import Annotated

import typer

from service.cli.output import JsonOption, print_json, print_table
from service.settings import Settings


def retry_failed(
    reason: Annotated[
        str | None, typer.Option(help="Only those whose reason contains this, in any case.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what failed and why, and queue nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Queue failed instances again, after what made them fail is mended.

    `gallery retry` does the same with all of them.
    """
    from service.opening import open_gallery
    from service.queue import failures, retry

    with open_gallery(Settings()) as engine, engine.begin() as connection:
        found = failures(connection, reason)
        ids = [instance_id for ids in found.values() for instance_id in ids]
        count = 0 if dry_run else retry(connection, ids)
    reasons = {why: len(ids) for why, ids in found.items()}
    if json:
        print_json({"queued": count, "reasons": reasons})
        return
    if reasons:
        rows = list(reasons.items())
        print_table("Failed instances", ("reason", "number"), rows)
    typer.echo(f"{count} failed instances are queued again.")
