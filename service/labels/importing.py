"""Imports a table of labels: all of it or nothing, and every bad line told at once."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from service.errors import InvalidParameter, Unavailable
from service.labels.faults import Faults, TableTooLarge
from service.labels.reading import read_lines
from service.labels.staging import stage
from service.labels.writing import LabelReport, write_staged
from service.settings import LabelSettings

USUAL_LIMITS = LabelSettings()
_CANCELLED, _LOCKED = "57014", "55P03"  # PostgreSQL's error codes


def import_labels(
    connection: Connection,
    file: IO[bytes],
    name: str,
    limits: LabelSettings = USUAL_LIMITS,
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
        TableTooLarge: it is beyond the limits.
        Unavailable: others record labels, and it waited for them in vain.
        OSError: the file cannot be read.
    """
    # Slices that are embedded already take their time, the more so with an index on them.
    timeout = {"timeout": f"{limits.timeout_s * 1000:.0f}ms"}
    connection.execute(text("SELECT set_config('statement_timeout', :timeout, true)"), timeout)
    faults = Faults()
    try:
        for count in stage(connection, read_lines(file, name, faults, limits.maximum_lines)):
            advance(count)
        return write_staged(connection, name, faults, recorded_by=recorded_by, replace=True)
    except OperationalError as error:
        raise _told(error, name, limits) from error


def check_size(size: int, name: str, limits: LabelSettings) -> None:
    """Refuse a table of too many bytes.

    Raises:
        TableTooLarge: it has more than the limit.
    """
    if size > limits.maximum_mb << 20:
        what = f"it has more than {limits.maximum_mb} MiB"
        raise TableTooLarge(name, what, "PRECUNEUS_LABELS__MAXIMUM_MB")


def _told(error: OperationalError, name: str, limits: LabelSettings) -> Exception:
    """What to do about it; the error itself where that is not known."""
    code = getattr(error.orig, "pgcode", None)
    if code == _CANCELLED:
        what = f"a step of it took longer than {limits.timeout_s:g} s, or was cancelled"
        return TableTooLarge(name, what, "PRECUNEUS_LABELS__TIMEOUT_S")
    if code == _LOCKED:
        return Unavailable(
            f"{name}: nothing is imported, since other labels are being recorded. Try again when "
            "that is done."
        )
    return error


def import_file(
    engine: Engine,
    path: Path,
    limits: LabelSettings = USUAL_LIMITS,
    *,
    recorded_by: str | None = None,
    dry_run: bool = False,
    advance: Callable[[int], None] = lambda _count: None,
) -> LabelReport:
    """Record what a CSV file says and commit; with `dry_run` say what would become of it.

    Raises:
        InvalidLabels: lines are wrong; nothing is recorded.
        InvalidParameter: the file cannot be read, or is no table of labels.
        TableTooLarge, Unavailable: as `import_labels`.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidParameter(f"{path.name} cannot be read ({error.strerror}).") from None
    with file, engine.connect() as connection:
        check_size(os.fstat(file.fileno()).st_size, path.name, limits)
        report = import_labels(
            connection, file, path.name, limits, recorded_by=recorded_by, advance=advance
        )
        if dry_run:
            connection.rollback()
        else:
            connection.commit()
    return report
