"""Keeps a cluster's server alive for as long as a service runs."""

import logging
import threading

from service.postgres.cluster import Cluster
from service.postgres.errors import PostgresError

_log = logging.getLogger("precuneus.postgres")

_EVERY_S = 1.0
_LONGEST_PAUSE_S = 30.0


class _Stopped(Exception):
    """The watch ends; a start that is under way is not waited for any longer."""


class Watch:
    """Looks at the server every second, in a thread, and starts it again when it is dead."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="database-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch; the server runs already."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End the watch; afterwards it starts nothing any more."""
        self._stopped.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        pause_s = _EVERY_S
        while not self._stopped.wait(pause_s):
            try:
                self._look()
                pause_s = _EVERY_S
            except _Stopped:
                return
            except Exception as error:
                # The watch never ends, whatever befell one look.
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
                told = error if isinstance(error, PostgresError) else "unexpected error"
                extra = {"action": "database_start_failed", "retry_s": pause_s}
                _log.error("database does not start: %s", told, extra=extra, exc_info=True)

    def _look(self) -> None:
        if not self._cluster.is_running():
            _log.warning("database is down", extra={"action": "database_down"})
            self._cluster.ensure_running(self._unless_stopped)
            _log.info("database is back", extra={"action": "database_restarted"})

    def _unless_stopped(self, _waited_s: float) -> None:
        if self._stopped.is_set():
            raise _Stopped
