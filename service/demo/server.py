"""The demo's own service: its settings, its process, and waiting until it is ready."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from service.child import SUPERVISED
from service.demo.client import Client
from service.demo.errors import DemoError
from service.demo.ports import choose_port
from service.processes.serve import exported
from service.settings import Settings

_START_S = 180.0
_END_S = 60.0


def demo_settings(folder: Path, gallery: str) -> Settings:
    """The settings of one of the demo's galleries (`gallery` names its state folder).

    After this, nothing in the environment leads to the user's own gallery.
    """
    for name in [name for name in os.environ if name.startswith("PRECUNEUS_")]:
        del os.environ[name]
    # Children and commands run in the demo's folder, where no `.env` of the user's lies.
    os.chdir(folder)
    settings = Settings(state_dir=folder / gallery)
    settings.dicom.port = choose_port(settings.dicom.host, settings.dicom.port)
    settings.http.port = choose_port(settings.http.host, settings.http.port)
    return settings


@contextmanager
def running_service(settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`precuneus serve` as a process of its own, ended in good order whatever happens here."""
    typer.echo(f"Starting the service (its log: {log}) …")
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli.main", "serve"],
            env=os.environ | exported(settings) | {SUPERVISED: "1"},
            cwd=log.parent,
            # The end of this pipe tells the service that the demo is gone, however it ended.
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    except KeyboardInterrupt:
        typer.echo("\nEnding …")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_END_S)


def await_ready(client: Client, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the service answers that it is ready.

    Raises:
        DemoError: it ended, or is not ready in time.
    """
    deadline = time.monotonic() + _START_S
    while not client.is_ready():
        if process.poll() is not None:
            raise DemoError(f"The service ended with {process.returncode}; its log is {log}.")
        if time.monotonic() > deadline:
            raise DemoError(f"The service is not ready after {_START_S:g} s; its log is {log}.")
        time.sleep(0.3)
