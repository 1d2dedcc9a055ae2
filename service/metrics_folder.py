"""Where the processes leave their metrics for the API to add up.

Apart from `service.metrics`, because prometheus_client looks for the folder when it is imported.
"""

import os
import socket
import sys
from pathlib import Path

from service.state_dir import make_state_dir

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_FILE_BYTES = 1 << 20


def share_metrics(state_dir: Path) -> None:
    """Let this process's metrics be read by the API; to be called before they are imported.

    On a full disk the process keeps its numbers to itself.

    Raises:
        RuntimeError: prometheus_client is imported already and would keep its numbers to itself.
    """
    if "prometheus_client" in sys.modules:
        raise RuntimeError("share_metrics must come before the import of prometheus_client")
    make_state_dir(state_dir)
    folder = state_dir / "metrics" / socket.gethostname()
    for part in (folder.parent, folder):
        part.mkdir(mode=0o700, exist_ok=True)
    if _reserve(folder):
        os.environ[DIRECTORY_VARIABLE] = str(folder)


def _reserve(folder: Path) -> bool:
    """Whether the disk has room for this process's two files.

    prometheus_client maps sparse ones into memory, and writing to them on a full disk would end the
    process (SIGBUS): the node must live to say 0xA700.
    """
    for kind in ("counter", "histogram"):
        file = folder / f"{kind}_{os.getpid()}.db"
        try:
            with file.open("ab") as opened:
                os.posix_fallocate(opened.fileno(), 0, _FILE_BYTES)
        except OSError:
            file.unlink(missing_ok=True)
            return False
    return True


def forget_metrics(state_dir: Path) -> None:
    """Begin at zero: remove what processes of an earlier run of the service left."""
    for file in (state_dir / "metrics").glob("*/*.db"):
        file.unlink(missing_ok=True)
