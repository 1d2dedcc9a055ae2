"""`precuneus demo --exit` as a process, and what it printed."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from service.postgres import Cluster
from tests.support.service import COMMAND, processes_of
from tests.support.waiting import PATIENCE_S

_NEIGHBOUR = re.compile(
    r"^│ +(?P<rank>\d+) +│ +(?P<distance>[\d.]+) +│ (?P<label>[^│]*)│ (?P<modality>[^│]*)"
    r"│ (?P<study>[\d.]+) +│ another +│$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Neighbour:
    """A row of the table."""

    rank: int
    distance: float
    label: str
    modality: str
    study_instance_uid: str


@dataclass(frozen=True)
class DemoRun:
    """How a demo ended; `output` is all that it said."""

    folder: Path
    picture: Path
    returncode: int
    output: str

    @property
    def neighbours(self) -> list[Neighbour]:
        """The table, as it was printed."""
        return [
            Neighbour(
                int(row["rank"]),
                float(row["distance"]),
                row["label"].strip(),
                row["modality"].strip(),
                row["study"],
            )
            for row in _NEIGHBOUR.finditer(self.output)
        ]

    @property
    def query_sop_instance_uid(self) -> str:
        """The slice that was asked about."""
        return self._told(r"Nearest to ([\d.]+):")

    @property
    def ports(self) -> tuple[int, int]:
        """Those of the DICOM node and of the API."""
        dicom, http = r"DICOM node  PRECUNEUS at 127\.0\.0\.1:(\d+)", r"Health +http://[\d.]+:(\d+)"
        return int(self._told(dicom)), int(self._told(http))

    def _told(self, pattern: str) -> str:
        found = re.search(pattern, self.output)
        assert found, self.output
        return found[1]


def run_demo(
    folder: Path, picture: Path, *options: object, env: Mapping[str, str], **identity: Any
) -> DemoRun:
    """Run the demo in `folder` to its end; `identity` are arguments of Popen: who runs it."""
    arguments = ["demo", "--exit", "--state-dir", folder, "--picture", picture, *options]
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=env,
        cwd=picture.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=2 * PATIENCE_S,
        **identity,
    )
    return DemoRun(folder, picture, done.returncode, done.stdout)


def living(folder: Path) -> list[psutil.Process]:
    """All processes of the demo's galleries: that of drawn studies, and that of `--data`."""
    return [process for state_dir in _galleries(folder) for process in processes_of(state_dir)]


def _galleries(folder: Path) -> list[Path]:
    return [path for path in folder.glob("state*") if path.is_dir()]


@contextmanager
def cleaned(folder: Path) -> Iterator[Path]:
    """Ends what a demo in `folder` should have ended itself, and deletes its databases."""
    try:
        yield folder
    finally:
        for process in living(folder):
            if process.name() != "postgres":
                process.kill()
        for state_dir in _galleries(folder):
            Cluster(state_dir).remove()
