"""What the node does now and then beside receiving: remove what is kept no longer, and calibrate.

What goes is files of deleted instances, and old lines of the record of associations. It also runs
the recall canary, since every installation has a node and it lives as long as the service.
"""

import logging
from threading import Event, Thread

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

_PAUSE_S = 60.0
_LOG = logging.getLogger("precuneus.node")


class Housekeeping:
    """A thread that works at start, and then every minute; a failure is tried again."""

    def __init__(self, settings: Settings, engine: Engine, pause_s: float = _PAUSE_S) -> None:
        self._settings, self._engine, self._pause_s = settings, engine, pause_s
        self._store = object_store(settings)
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="housekeeping")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being done."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._purge()
            self._prune()
            self._calibrate()
            self._listen()
            self._stopped.wait(self._pause_s)

    def _purge(self) -> None:
        keep_days = self._settings.gallery.keep_deleted_days
        try:
            removed = purge_files(self._engine, self._store, keep_days)
        except (SQLAlchemyError, OSError) as error:
            fields = {"action": "purge.failed", "error": type(error).__name__}
            _LOG.warning("files of deleted instances are removed later", extra=fields)
            return
        if removed:
            fields = {"action": "purged", "files": str(removed)}
            _LOG.info("files of deleted instances removed", extra=fields)

    def _prune(self) -> None:
        dicom = self._settings.dicom
        try:
            with self._engine.begin() as connection:
                settle_abandoned(connection)
                prune_records(connection, dicom.keep_associations_days, dicom.keep_associations)
        except SQLAlchemyError as error:
            fields = {"action": "prune.failed", "error": type(error).__name__}
            _LOG.warning("old records of associations are removed later", extra=fields)

    def _calibrate(self) -> None:
        try:
            found = calibrate_if_due(self._engine, self._settings, self._stopped.is_set)
        except (SQLAlchemyError, ServiceError, ModelError, OSError) as error:
            fields = {"action": "calibrate.failed", "error": type(error).__name__}
            _LOG.warning("distances are calibrated later", extra=fields)
            return
        if found is not None:
            fields = {"action": "calibrated", "patients": str(found.patients)}
            _LOG.info("distances calibrated", extra=fields)

    def _listen(self) -> None:
        """Let the recall canary sing, if it is time."""
        interval_s = self._settings.gallery.recall_canary_s
        if not interval_s:
            return
        try:
            reading = run_canary(self._engine, interval_s, self._stopped.is_set)
        except SQLAlchemyError as error:
            fields = {"action": "canary.failed", "error": type(error).__name__}
            _LOG.warning("recall is measured later", extra=fields)
            return
        if reading is not None:
            measured = {"recall": reading.recall, "last": reading.last, "seconds": reading.seconds}
            _LOG.info("recall measured", extra={"action": "canary", **measured})
