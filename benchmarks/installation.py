"""A Precuneus of the benchmark's own: fresh state folder, embedded database, free ports.

It never reads the user's settings, so it cannot reach a gallery that is in use.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from benchmarks.children import HOST, Child, free_port, running
from service.child import SUPERVISED
from service.opening import open_gallery
from service.postgres import Cluster
from service.processes.serve import exported
from service.settings import Settings


def forget_user_settings() -> None:
    """Take every `PRECUNEUS_…` variable out of the environment of this process and its children."""
    for name in [name for name in os.environ if name.startswith("PRECUNEUS_")]:
        del os.environ[name]


@dataclass(frozen=True)
class Installation:
    """One state folder with its settings and its open database."""

    folder: Path
    settings: Settings
    engine: Engine

    @property
    def postmaster(self) -> int:
        """The process id of the embedded database."""
        pid_file = Cluster(self.settings.state_dir).data_dir / "postmaster.pid"
        return int(pid_file.read_text().splitlines()[0])

    @contextmanager
    def running(self, *command: str) -> Iterator[Child]:
        """One of the service's processes, such as `node serve`, as `precuneus serve` runs it."""
        argv = (sys.executable, "-m", "service.cli.main", *command)
        env = exported(self.settings) | {SUPERVISED: "1"}
        with running(argv, self.folder / f"{command[0]}.log", env=env, cwd=self.folder) as child:
            yield child


@contextmanager
def installed(folder: Path, *, keep: bool = False) -> Iterator[Installation]:
    """An installation below `folder`; without `keep` it is fresh, and deleted in the end."""
    folder.mkdir(mode=0o711, exist_ok=keep)
    # Without `.env`: what lies in the current folder is the user's.
    settings = Settings(_env_file=None, state_dir=folder / "state")  # type: ignore[call-arg]
    settings.dicom.host = settings.http.host = HOST
    settings.dicom.port, settings.http.port = free_port(), free_port()
    try:
        with open_gallery(settings) as engine:
            yield Installation(folder, settings, engine)
    finally:
        if not keep:
            Cluster(settings.state_dir).remove()
