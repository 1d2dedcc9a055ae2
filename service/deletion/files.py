"""Removes the files of deleted instances from the disk, once they have been kept long enough.

The row goes after the file: a crash between the two costs nothing but a second look.
"""

from datetime import timedelta

from sqlalchemy import Connection, Engine, delete, func, select

from dicom_node.files import ObjectStore
from service.db.node_tables import deleted_file

_BATCH = 1000


def purge_files(engine: Engine, store: ObjectStore, keep_days: float) -> int:
    """Remove the files deleted at least `keep_days` days ago; how many.

    Raises:
        OSError: a file cannot be removed; those before it are.
        SQLAlchemyError: the database failed.
    """
    removed = 0
    while True:
        with engine.begin() as connection:
            names = _due(connection, keep_days)
            for name in names:
                store.remove(name)
            gone = deleted_file.c.file_name.in_(names)
            connection.execute(delete(deleted_file).where(gone))
        removed += len(names)
        if len(names) < _BATCH:
            return removed


def _due(connection: Connection, keep_days: float) -> list[str]:
    """Some of the files whose time has come, which no other process is removing."""
    before = func.now() - timedelta(days=keep_days)
    return list(
        connection.scalars(
            select(deleted_file.c.file_name)
            .where(deleted_file.c.deleted_at <= before)
            .limit(_BATCH)
            .with_for_update(skip_locked=True)
        )
    )
