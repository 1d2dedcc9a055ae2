"""The sender, the same for every receiver: dcmtk's `dcmsend`, one process for each association."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Timer
from time import perf_counter

from benchmarks.children import HOST
from benchmarks.errors import BenchmarkError
from benchmarks.peers import NO_DELAY, find
from benchmarks.receive.receiver import Receiver

_TIMEOUT_S = 120.0
_OPTIONS = ("--no-uid-checks", "--decompress-never", "--aetitle", "BENCHMARK")


def push(receiver: Receiver, shares: Sequence[Sequence[Path]]) -> float:
    """Send all shares at once, one association each; seconds from first start to last end.

    Raises:
        BenchmarkError: a sender failed or does not end.
        PeerMissing: there is no dcmsend.
    """
    program = find("dcmsend")
    senders: list[subprocess.Popen[bytes]] = []
    started = perf_counter()
    try:
        for share in shares:
            argv = (program, *_OPTIONS, "--call", receiver.ae_title, HOST, str(receiver.port))
            process = subprocess.Popen(
                [*argv, *map(str, share)],
                env=os.environ | NO_DELAY,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            senders.append(process)
        if _await(senders):
            raise BenchmarkError(f"{receiver.name} took more than {_TIMEOUT_S:g} s")
        seconds = perf_counter() - started
        failures = [process for process in senders if process.returncode != 0]
        if failures:
            said = failures[0].stderr.read().decode(errors="replace") if failures[0].stderr else ""
            raise BenchmarkError(f"sending to {receiver.name} failed:\n{said[-2000:]}")
    finally:
        for process in senders:
            process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()
    return seconds


def _await(senders: Sequence[subprocess.Popen[bytes]]) -> bool:
    """Wait until all have ended; whether they had to be ended.

    Waiting with a timeout would look only every 50 ms, a tenth of a push.
    """
    late = Event()

    def end() -> None:
        late.set()
        for process in senders:
            process.kill()

    timer = Timer(_TIMEOUT_S, end)
    timer.start()
    try:
        for process in senders:
            process.wait()
    finally:
        timer.cancel()
    return late.is_set()
