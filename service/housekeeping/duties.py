"""What is to be done in each round of housekeeping, and what failures of it are to be expected.

What goes is files of deleted instances, and old lines of the record of associations. Distances are
calibrated when they are due, and the recall canary sings: every installation has a node, and it
lives as long as the service.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from model.errors import ModelError
from service.associations.table import prune_records, settle_abandoned
from service.calibration.run import calibrate_if_due
from service.deletion.files import purge_files
from service.errors import ServiceError
from service.opening import object_store
from service.settings import Settings
from service.verifying.canary import run_canary

EXPECTED = (SQLAlchemyError, OSError, ServiceError, ModelError)
"""What says all by its kind: the database is away, a disk is full, a file is not there."""

_LOG = logging.getLogger("precuneus.node")


@dataclass(frozen=True)
class Duty:
    """One thing to be done; `later` is what is said when it fails. It may raise anything."""

    name: str
    later: str
    do: Callable[[], None]


def duties(engine: Engine, settings: Settings, is_stopped: Callable[[], bool]) -> tuple[Duty, ...]:
    """All that there is to do; long ones end soon once `is_stopped`."""
    return (
        Duty(
            "purge",
            "files of deleted instances are removed later",
            lambda: _purge(engine, settings),
        ),
        Duty(
            "prune",
            "old records of associations are removed later",
            lambda: _prune(engine, settings),
        ),
        Duty(
            "calibrate",
            "distances are calibrated later",
            lambda: _calibrate(engine, settings, is_stopped),
        ),
        Duty("canary", "recall is measured later", lambda: _listen(engine, settings, is_stopped)),
    )


def _purge(engine: Engine, settings: Settings) -> None:
    removed = purge_files(engine, object_store(settings), settings.gallery.keep_deleted_days)
    if removed:
        fields = {"action": "purged", "files": str(removed)}
        _LOG.info("files of deleted instances removed", extra=fields)


def _prune(engine: Engine, settings: Settings) -> None:
    dicom = settings.dicom
    with engine.begin() as connection:
        settle_abandoned(connection)
        prune_records(connection, dicom.keep_associations_days, dicom.keep_associations)


def _calibrate(engine: Engine, settings: Settings, is_stopped: Callable[[], bool]) -> None:
    found = calibrate_if_due(engine, settings, is_stopped)
    if found is not None:
        fields = {"action": "calibrated", "patients": str(found.patients)}
        _LOG.info("distances calibrated", extra=fields)


def _listen(engine: Engine, settings: Settings, is_stopped: Callable[[], bool]) -> None:
    """Let the recall canary sing, if it is time."""
    interval_s = settings.gallery.recall_canary_s
    reading = run_canary(engine, interval_s, is_stopped) if interval_s else None
    if reading is not None:
        measured = {"recall": reading.recall, "last": reading.last, "seconds": reading.seconds}
        _LOG.info("recall measured", extra={"action": "canary", **measured})
