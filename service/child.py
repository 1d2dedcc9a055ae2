"""A supervised process, seen from both sides.

`ChildSpec` and `Child` are the supervisor's view; `follow_parent` is what the child itself calls,
so that it does not outlive a supervisor that was killed. The tie between them is a pipe: the
child's standard input, which ends with the supervisor whatever ended that.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

SUPERVISED = "PRECUNEUS_SUPERVISED"
"""The environment variable that tells a process that its standard input is the tie."""

DRAIN_S = 30.0
"""How long a child may take to end in good order after SIGTERM."""


@dataclass(frozen=True)
class ChildSpec:
    """What to run: `env` is added to the supervisor's own environment."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ending:
    """How a run of a child ended: `returncode` as in Popen, negative for a signal."""

    returncode: int
    lived_s: float


class Child:
    """One run of a child, in a session of its own, so that Ctrl-C reaches the supervisor alone."""

    def __init__(self, spec: ChildSpec) -> None:
        """Start it; output goes where the supervisor's goes.

        Raises:
            OSError: the program is missing or cannot be executed.
        """
        self._process = subprocess.Popen(
            spec.argv,
            stdin=subprocess.PIPE,
            env={**os.environ, **spec.env, SUPERVISED: "1"},
            start_new_session=True,
        )
        self._started = time.monotonic()

    @property
    def pid(self) -> int:
        """The process id, which is also that of its session and group."""
        return self._process.pid

    @property
    def lived_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def ending(self) -> Ending | None:
        """How it ended, or None while it runs. What it left in its group is killed."""
        returncode = self._process.poll()
        if returncode is None:
            return None
        self._signal_group(signal.SIGKILL)
        self._untie()
        return Ending(returncode, self.lived_s)

    def terminate(self) -> None:
        """Ask it to drain and end; its own helpers are left to it."""
        self._process.terminate()

    def kill(self) -> None:
        """End it and all of its group at once."""
        self._signal_group(signal.SIGKILL)
        self._process.wait()
        self._untie()

    def _untie(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def follow_parent() -> None:
    """End with the supervisor: when standard input ends, this process gets SIGTERM.

    Call it once, after the handler of SIGTERM is in place. One that has not ended `DRAIN_S` later
    is ended the hard way. Does nothing in a process that is not supervised.
    """
    if os.environ.get(SUPERVISED) == "1":
        threading.Thread(target=_end_with_input, name="follow-parent", daemon=True).start()


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(DRAIN_S)
    os._exit(1)
