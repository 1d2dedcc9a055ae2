"""Where the processes leave their metrics for the API to add up.

Apart from `service.metrics`, because prometheus_client looks for the folder when it is imported.
"""

import os
import socket
import sys
from pathlib import Path

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share_metrics(state_dir: Path) -> None:
    """Let this process's metrics be read by the API; to be called before they are imported.

    Raises:
        RuntimeError: prometheus_client is imported already and would keep its numbers to itself.
    """
    if "prometheus_client" in sys.modules:
        raise RuntimeError("share_metrics must come before the import of prometheus_client")
    folder = state_dir / "metrics" / socket.gethostname()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ[DIRECTORY_VARIABLE] = str(folder)


def forget_metrics(state_dir: Path) -> None:
    """Begin at zero: remove what processes of an earlier run of the service left."""
    for file in (state_dir / "metrics").glob("*/*.db"):
        file.unlink(missing_ok=True)
