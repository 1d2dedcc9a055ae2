"""The sender, the same for every receiver: dcmtk's `dcmsend`, one process for each association."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
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
        failures = [process for process in senders if process.wait(_TIMEOUT_S) != 0]
        seconds = perf_counter() - started
        if failures:
            said = failures[0].stderr.read().decode(errors="replace") if failures[0].stderr else ""
            raise BenchmarkError(f"sending to {receiver.name} failed:\n{said[-2000:]}")
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"{receiver.name} took more than {_TIMEOUT_S:g} s") from None
    finally:
        for process in senders:
            process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()
    return seconds
