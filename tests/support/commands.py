"""The command `precuneus`, run as a user runs it: in a process, a folder and settings of its own.

The processes are forked from one that has the slow imports behind it, so that a test of a command
costs a tenth of a second and not a whole one.
"""

import json
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

_REPOSITORY = Path(__file__).parents[2]
_TIMEOUT_S = 120
# None of these may import prometheus_client, which looks for its folder as a process starts.
_SLOW_IMPORTS = [
    "service.cli.main",
    "service.opening",
    "service.gallery",
    "service.labels.importing",
]
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
        output, errors = self.folder / ".output", self.folder / ".errors"
        process = _forks().Process(
            target=_become_command,
            args=(
                ["precuneus", *map(str, arguments)],
                self.folder,
                environment_of({**self.settings, **settings}),
                (output, errors),
            ),
        )
        process.start()
        process.join(_TIMEOUT_S)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"{arguments} ran longer than {_TIMEOUT_S} s")
        ended = Ended(process.exitcode, output.read_text(), errors.read_text())
        assert "Traceback" not in ended.errors, ended.errors
        return ended


@cache
def _forks() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_SLOW_IMPORTS)
    return context


def _become_command(
    argv: Sequence[str], folder: Path, environment: Mapping[str, str], streams: tuple[Path, Path]
) -> None:
    """Run the command in the process just forked, its output going into two files."""
    for number, path in ((1, streams[0]), (2, streams[1])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = list(argv)

    from service.cli.main import main

    main()


def shell_on(database_url: str, folder: Path, checkpoint: Path) -> Shell:
    """A shell whose settings name a database, a state folder and an encoder."""
    folder.mkdir(parents=True, exist_ok=True)
    return Shell(
        folder,
        {
            "PRECUNEUS_DATABASE__URL": database_url,
            "PRECUNEUS_STATE_DIR": str(folder / "state"),
            "PRECUNEUS_ENCODER__CHECKPOINT": str(checkpoint),
            # No port of whatever else runs on this machine.
            "PRECUNEUS_DICOM__PORT": "0",
            "PRECUNEUS_HTTP__PORT": "0",
            "PRECUNEUS_WORKER__DECODE_PROCESSES": "1",
            "PRECUNEUS_WORKER__DEVICE": "cpu",
        },
    )
