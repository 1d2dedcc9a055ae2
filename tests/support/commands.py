"""The command `precuneus`, run as a user runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_REPOSITORY = Path(__file__).parents[2]
PRECUNEUS = (sys.executable, "-m", "service.cli.main")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    output: str
    errors: str

    def json(self) -> Any:
        """Its output as JSON."""
        return json.loads(self.output)


def environment_of(variables: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `variables`, and without the developer's settings."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PRECUNEUS_")}
    paths = [str(_REPOSITORY), *filter(None, [inherited.get("PYTHONPATH")])]
    return inherited | {"PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200"} | dict(variables)


@dataclass(frozen=True)
class Shell:
    """A folder to run commands in, with settings in the environment."""

    folder: Path
    settings: Mapping[str, str]

    def run(self, *arguments: object, **settings: str) -> Ended:
        """Run `precuneus` with arguments, and with further settings."""
        done = subprocess.run(
            [*PRECUNEUS, *map(str, arguments)],
            cwd=self.folder,
            env=environment_of({**self.settings, **settings}),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)


def shell_on(database_url: str, folder: Path, checkpoint: Path) -> Shell:
    """A shell whose settings name a database, a state folder and an encoder."""
    folder.mkdir(parents=True, exist_ok=True)
    return Shell(
        folder,
        {
            "PRECUNEUS_DATABASE__URL": database_url,
            "PRECUNEUS_STATE_DIR": str(folder / "state"),
            "PRECUNEUS_ENCODER__CHECKPOINT": str(checkpoint),
            "PRECUNEUS_WORKER__DECODE_PROCESSES": "1",
            "PRECUNEUS_WORKER__DEVICE": "cpu",
        },
    )
