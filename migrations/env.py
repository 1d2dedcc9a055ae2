"""Alembic's environment: takes the connection it is given, or opens the configured gallery's."""

from alembic import context
from sqlalchemy import Connection

from service.db.all_tables import metadata
from service.db.engine import open_database
from service.db.migrate import is_ours
from service.settings import Settings


def run(connection: Connection) -> None:
    """Run the migrations on an open connection."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=lambda _object, name, kind, _reflected, _to: is_ours(name, kind),
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with open_database(Settings()) as engine, engine.begin() as opened:
        run(opened)
