"""Alembic from inside the program: upgrade, the current revision, and what is pending."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

import service
from service.db.all_tables import metadata


def migrations_folder() -> Path:
    """The migration scripts: inside the wheel, or beside the package in a checkout."""
    package = Path(service.__file__).parent
    bundled = package / "_migrations"
    return bundled if bundled.is_dir() else package.parent / "migrations"


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration bound to an open connection."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the schema to `revision`; two processes doing so at once take turns."""
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('precuneus migrations'))")
        command.upgrade(alembic_config(connection), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take the schema back to `revision` (`base`: nothing is left)."""
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), revision)


def current_revision(connection: Connection) -> str | None:
    """The revision the database is at, or None before the first migration."""
    return MigrationContext.configure(connection).get_current_revision()


def head_revision() -> str | None:
    """The newest revision this program knows."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    return ScriptDirectory.from_config(config).get_current_head()


def is_ours(name: str | None, kind: str) -> bool:
    """Whether autogenerate looks at an object; encoders' partitions are made at run time."""
    return not (kind == "table" and name is not None and name.startswith("embedding_encoder_"))


def differences(connection: Connection) -> list[object]:
    """What autogenerate would change: empty when the tables are as the program expects."""
    context = MigrationContext.configure(
        connection,
        opts={
            "include_object": lambda _object, name, kind, _reflected, _to: is_ours(name, kind),
            "compare_type": True,
        },
    )
    return list(compare_metadata(context, metadata))
