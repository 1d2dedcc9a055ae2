"""Processes under measurement: started, watched, and ended with all that they started.

Each runs apart from the terminal, so that Ctrl-C reaches only the benchmark, which then ends them.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from benchmarks.errors import BenchmarkError

HOST = "127.0.0.1"
_END_S = 30.0
_READY_S = 120.0
_REAPED_S = 5.0


class Child:
    """A running process and where its output goes."""

    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path) -> None:
        self.log = log
        self._name = Path(argv[0]).name
        with log.open("ab") as output:
            # Processes of ours end when this pipe does, even if the benchmark was killed.
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=os.environ | env,
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def await_ready(self, is_ready: Callable[[], bool]) -> None:
        """Wait until it answers.

        Raises:
            BenchmarkError: it ended, or does not answer in time.
        """
        deadline = time.monotonic() + _READY_S
        while not is_ready():
            if self._process.poll() is not None:
                raise BenchmarkError(self._failure(f"ended with {self._process.returncode}"))
            if time.monotonic() > deadline:
                raise BenchmarkError(self._failure(f"is not ready after {_READY_S:g} s"))
            time.sleep(0.1)

    def end(self) -> None:
        """End it in good order if it will, and whatever is left of its group at once."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _failure(self, what: str) -> str:
        return f"{self._name} {what}. Its last words:\n{tail(self.log)}"


@contextmanager
def running(
    argv: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[Child]:
    """A process for the length of a block."""
    child = Child(argv, log, env or {}, cwd or log.parent)
    try:
        yield child
    finally:
        child.end()


def tail(log: Path, lines: int = 15) -> str:
    """The end of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_seconds(root: int) -> float:
    """CPU time that a process and all its descendants, ended ones too, have used so far."""
    total = 0.0
    process = psutil.Process(root)
    for member in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = member.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def await_reaped(roots: Iterable[int]) -> None:
    """Wait until ended children have been waited for.

    Only then the kernel adds their CPU time to the parent's without rounding each down to 10 ms.
    """
    deadline = time.monotonic() + _REAPED_S
    while any(map(_has_zombie, roots)) and time.monotonic() < deadline:
        time.sleep(0.05)


def _has_zombie(root: int) -> bool:
    for member in psutil.Process(root).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if member.status() == psutil.STATUS_ZOMBIE:
                return True
    return False
