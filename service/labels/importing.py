"""Imports a table of labels: all of it or nothing, and every bad line told at once."""

from collections.abc import Callable
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, Engine

from service.errors import InvalidParameter
from service.labels.faults import Faults
from service.labels.reading import read_lines
from service.labels.staging import stage
from service.labels.writing import LabelReport, write_staged


def import_labels(
    connection: Connection,
    file: IO[bytes],
    name: str,
    *,
    recorded_by: str | None = None,
    advance: Callable[[int], None] = lambda _count: None,
) -> LabelReport:
    """Record what a CSV file says, in the caller's transaction.

    What the same source said before of a subject of the table is replaced. `advance` hears how many
    lines have been read. The caller rolls back when it only wants to know.

    Raises:
        InvalidLabels: lines are wrong; nothing is recorded.
        InvalidParameter: the file is no table of labels.
        OSError: the file cannot be read.
    """
    # Slices that are embedded already take their time, the more so with an index on them.
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    faults = Faults()
    for count in stage(connection, read_lines(file, name, faults)):
        advance(count)
    return write_staged(connection, name, faults, recorded_by=recorded_by, replace=True)


def import_file(
    engine: Engine,
    path: Path,
    *,
    recorded_by: str | None = None,
    dry_run: bool = False,
    advance: Callable[[int], None] = lambda _count: None,
) -> LabelReport:
    """Record what a CSV file says and commit; with `dry_run` say what would become of it.

    Raises:
        InvalidLabels: lines are wrong; nothing is recorded.
        InvalidParameter: the file cannot be read, or is no table of labels.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidParameter(f"{path.name} cannot be read ({error.strerror}).") from None
    with file, engine.connect() as connection:
        report = import_labels(
            connection, file, path.name, recorded_by=recorded_by, advance=advance
        )
        if dry_run:
            connection.rollback()
        else:
            connection.commit()
    return report
