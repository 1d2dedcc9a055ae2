"""Runs the embedding benchmark in a process of its own and reads what it prints."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.children import tail
from benchmarks.errors import BenchmarkError
from benchmarks.installation import installed
from benchmarks.plan import Plan
from service.processes.serve import exported, tuned_malloc


def measure(plan: Plan) -> dict[str, Any]:
    """The samples, as `benchmarks.embed.work` prints them.

    Raises:
        BenchmarkError: the process failed.
    """
    log = plan.folder / "embed.log"
    argv = [sys.executable, "-m", "benchmarks.embed.work", str(plan.repetitions)]
    with (
        installed(plan.folder / "embed") as installation,
        log.open("ab") as errors,
        subprocess.Popen(
            [*argv, "quick" if plan.quick else "full", str(installation.folder)],
            env=os.environ | tuned_malloc() | exported(installation.settings),
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            samples = _follow(process, plan)
        finally:
            process.kill()
    if samples is None:
        raise BenchmarkError(f"the embedding process failed. Its last words:\n{tail(log)}")
    return samples


def _follow(process: "subprocess.Popen[str]", plan: Plan) -> dict[str, Any] | None:
    samples = None
    for line in process.stdout or ():
        message = json.loads(line)
        if "progress" in message:
            plan.progress(*message["progress"])
        else:
            samples = message
    return samples
