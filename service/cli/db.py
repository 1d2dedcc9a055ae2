"""`precuneus db …`: the schema, and recovery after a crash or a restored backup."""

import typer

from service.cli.output import JsonOption, print_json
from service.settings import Settings


def build_app() -> typer.Typer:
    """The group's commands."""
    app = typer.Typer(help="The gallery's database.", no_args_is_help=True)
    app.command("upgrade")(upgrade)
    app.command("current")(current)
    app.command("check")(check)
    app.command("recover")(recover)
    return app


def upgrade() -> None:
    """Bring the schema to the newest revision."""
    from service.db import migrate
    from service.db.engine import open_database

    with open_database(Settings()) as engine:
        migrate.upgrade(engine)
    typer.echo(f"The database is at revision {migrate.head_revision()}.")


def current() -> None:
    """Print the schema's revision."""
    from service.db import migrate
    from service.db.engine import open_database

    with open_database(Settings()) as engine, engine.connect() as connection:
        typer.echo(migrate.current_revision(connection) or "none")


def check() -> None:
    """Compare the schema with what this program expects; 1 when they differ."""
    from service.db import migrate
    from service.db.engine import open_database

    with open_database(Settings()) as engine, engine.connect() as connection:
        revision, head = migrate.current_revision(connection), migrate.head_revision()
        found = migrate.differences(connection) if revision == head else []
    if revision != head:
        typer.echo(f"At revision {revision or 'none'}, needed {head}: run `precuneus db upgrade`.")
    for difference in found:
        typer.echo(f"differs: {difference}")
    if revision != head or found:
        raise typer.Exit(1)
    typer.echo(f"The schema is as expected (revision {head}).")


def recover(json: JsonOption = False) -> None:
    """Register stored objects that have no row, as after a restored backup.

    Unfinished files go to quarantine/. Nothing is deleted. The node does the same at start.
    """
    from dicom_node.configure import configure_pydicom
    from service.opening import object_store, open_gallery, recovering_receiver
    from service.recover import recover as run

    configure_pydicom()
    settings = Settings()
    with open_gallery(settings) as engine:
        report = run(engine, object_store(settings), recovering_receiver(settings, engine))
    if json:
        print_json(report)
    else:
        typer.echo(report.sentence())
    raise typer.Exit(1 if report.missing_files or report.unread else 0)
