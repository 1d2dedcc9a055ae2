"""`precuneus serve`: database, node, worker and API on one machine, supervised."""

import fcntl
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.child import follow_parent
from service.db.engine import open_database
from service.errors import ConfigurationError
from service.logs import configure_logs
from service.metrics_folder import forget_metrics
from service.opening import open_gallery
from service.ports import require_free
from service.postgres import Cluster
from service.processes.api import require_key
from service.settings import Settings
from service.state_dir import make_state_dir
from service.supervisor import ChildSpec, Supervisor
from service.tls import require_tls_files

_LOG = logging.getLogger("precuneus.serve")


def serve(settings: Settings) -> int:
    """Run the whole service until SIGTERM or Ctrl-C; 0 when everything ended in good order.

    Raises:
        ConfigurationError: ports are taken, the state folder is in use, a key is missing, or TLS
            has no usable certificate.
        PostgresError: the embedded database does not start.
    """
    configure_logs()
    follow_parent()
    require_tls_files(settings.dicom.tls)
    make_state_dir(settings.state_dir)
    with _only_one(settings.state_dir), open_database(settings):
        for host, port, variable in _listening(settings):
            require_free(host, port, variable)
        with open_gallery(settings) as engine:
            require_key(engine, settings.http)
        forget_metrics(settings.state_dir)
        embedded = Cluster(settings.state_dir) if settings.has_embedded_database else None
        _announce(settings)
        code = Supervisor(_children(settings), embedded).run()
        # All that is left is to stop the database, which a second signal must not cut short.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return code


def _listening(settings: Settings) -> Iterator[tuple[str, int, str]]:
    """Hosts and ports, and what changes them."""
    dicom, http = settings.dicom, settings.http
    if dicom.plain:
        yield dicom.host, dicom.port, "--dicom-port"
    if dicom.tls.certificate is not None:
        yield dicom.host, dicom.tls.port, "PRECUNEUS_DICOM__TLS__PORT"
    yield http.host, http.port, "--http-port"


@contextmanager
def _only_one(state_dir: Path) -> Iterator[None]:
    """Keep a second service off the same state folder; the lock ends with the process."""
    with (state_dir / "serve.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigurationError(
                f"Another `precuneus serve` already uses {state_dir}."
            ) from None
        yield


def _children(settings: Settings) -> list[ChildSpec]:
    environment = dict(os.environ) | exported(settings)
    command = (sys.executable, "-m", "service.cli.main")
    return [
        ChildSpec("node", (*command, "node", "serve"), environment),
        ChildSpec("worker", (*command, "worker", "run"), environment | tuned_malloc()),
        ChildSpec("api", (*command, "api", "serve"), environment),
    ]


def exported(settings: Settings) -> dict[str, str]:
    """What arguments may have changed, as environment variables for the children."""
    return {
        "PRECUNEUS_STATE_DIR": str(settings.state_dir),
        "PRECUNEUS_DICOM__HOST": settings.dicom.host,
        "PRECUNEUS_DICOM__PORT": str(settings.dicom.port),
        "PRECUNEUS_DICOM__AE_TITLE": settings.dicom.ae_title,
        "PRECUNEUS_HTTP__HOST": settings.http.host,
        "PRECUNEUS_HTTP__PORT": str(settings.http.port),
    }


def tuned_malloc() -> dict[str, str]:
    """Let glibc keep big blocks: with its defaults a batch of 32 is 2.3 times slower per slice."""
    return {"MALLOC_MMAP_THRESHOLD_": "4294967295", "MALLOC_TRIM_THRESHOLD_": "8589934592"}


def _announce(settings: Settings) -> None:
    dicom, http = settings.dicom, settings.http
    fields = {
        "action": "serving",
        "http": f"http://{http.host}:{http.port}",
        "state_dir": str(settings.state_dir),
    }
    if dicom.plain:
        fields["dicom"] = f"{dicom.ae_title}@{dicom.host}:{dicom.port}"
    if dicom.tls.certificate is not None:
        fields["dicom_tls"] = f"{dicom.ae_title}@{dicom.host}:{dicom.tls.port}"
    _LOG.info("serving", extra=fields)
