"""Calibrates the gallery and keeps what was found; for the command and for housekeeping."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select

from model.checkpoint import describe
from model.errors import CheckpointMissingError
from service.calibration.brought import read_brought
from service.calibration.calibrate import Known, calibrate
from service.calibration.figures import Calibration
from service.calibration.store import is_due, save
from service.db.tables import encoder as encoders
from service.encoder_files import encoder_path
from service.encoders.files import kept_checkpoint
from service.encoders.registry import ActiveEncoder, find_active, get_active
from service.errors import InvalidParameter
from service.settings import Settings


def calibrate_gallery(
    engine: Engine, settings: Settings, encoder_name: str | None = None
) -> tuple[ActiveEncoder, Calibration]:
    """Measure the active encoder, or the one named, on the gallery, and keep the figures.

    Raises:
        Unavailable: no encoder is active.
        InvalidParameter: the gallery knows no encoder of that name.
        ConfigurationError: the figures that the encoder brought along cannot be read.
    """
    with _one_moment(engine).begin() as connection:
        encoder = _named(connection, encoder_name)
        found = _measure(connection, settings, encoder)
    _keep(engine, encoder, found)
    return encoder, found


def calibrate_if_due(
    engine: Engine, settings: Settings, is_stopped: Callable[[], bool] = lambda: False
) -> Calibration | None:
    """Measure the active encoder if that was never done, or long enough ago; None if not.

    Once `is_stopped` it ends soon, with nothing kept.

    Raises:
        ConfigurationError: the figures that the encoder brought along cannot be read.
    """
    with _one_moment(engine).begin() as connection:
        encoder = find_active(connection)
        if encoder is None or not is_due(connection, encoder):
            return None
        found = _measure(connection, settings, encoder, is_stopped)
    if is_stopped():
        return None
    _keep(engine, encoder, found)
    return found


def _one_moment(engine: Engine) -> Engine:
    """Slices that are deleted and labels that end meanwhile are there until it is done."""
    return engine.execution_options(isolation_level="REPEATABLE READ")


def _measure(
    connection: Connection,
    settings: Settings,
    encoder: ActiveEncoder,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Calibration:
    known = known_of(encoder.name, settings.state_dir)
    false_alarms = settings.evidence.false_alarms
    found = calibrate(connection, encoder, known, false_alarms=false_alarms, is_stopped=is_stopped)
    # What comes from now on is not in it, however long it took.
    return replace(found, computed_at=connection.scalar(select(func.now())))


def _keep(engine: Engine, encoder: ActiveEncoder, found: Calibration) -> None:
    """In a transaction of its own: another process may have kept one meanwhile."""
    with engine.begin() as connection:
        save(connection, encoder, found)


def _named(connection: Connection, name: str | None) -> ActiveEncoder:
    if name is None:
        return get_active(connection)
    columns = (encoders.c.encoder_id, encoders.c.digest, encoders.c.name, encoders.c.dimension)
    row = connection.execute(select(*columns).where(encoders.c.name == name)).one_or_none()
    if row is None:
        raise InvalidParameter(f"The gallery knows no encoder {name}.")
    return ActiveEncoder(*row)


def known_of(encoder_name: str, state_dir: Path) -> Known:
    """What the encoder's own files tell: what it brings along, and whom it has seen.

    Raises:
        ConfigurationError: the figures that it brought along cannot be read.
        CheckpointError: its weights are damaged.
    """
    brought = read_brought(encoder_name, state_dir)
    path = _weights(encoder_name, state_dir)
    if path is None:
        return Known(brought)
    _, info = describe(path)
    # Patients in lists have other names than in the gallery: whether they are here, none can tell.
    if info.group_kind != "patient_key" or not info.trained_on:
        return Known(brought)
    return Known(brought, frozenset(info.trained_on), is_complete=True)


def _weights(encoder_name: str, state_dir: Path) -> Path | None:
    kept = kept_checkpoint(state_dir, encoder_name)
    if kept.exists():
        return kept
    for shipped in ("default", "dev"):
        try:
            path = encoder_path(shipped)
        except CheckpointMissingError:
            continue
        if path.stem == encoder_name:
            return path
    return None
