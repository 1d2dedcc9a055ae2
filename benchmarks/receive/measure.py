"""Runs the receiving benchmark: every receiver in turn, on the same objects, again and again."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.children import await_reaped, cpu_seconds
from benchmarks.errors import BenchmarkError, PeerMissing
from benchmarks.peers import find
from benchmarks.plan import Plan
from benchmarks.receive.disk import sync_rate
from benchmarks.receive.objects import ObjectFiles, write_objects
from benchmarks.receive.orthanc import orthanc
from benchmarks.receive.precuneus import precuneus
from benchmarks.receive.receiver import Receiver
from benchmarks.receive.sender import push
from benchmarks.receive.storescp import BYTES, FORK, storescp
from dicom_node.configure import configure_pynetdicom

ASSOCIATIONS = (1, 4, 10)
INSTANCES = 200
_QUICK_INSTANCES = 60
_OBJECT_BYTES = 530_000
_SPARE_BYTES = 2_000_000_000
_SETTLE_S = 20.0

Start = Callable[[Path], AbstractContextManager[Receiver]]

STARTS: tuple[Start, ...] = (
    precuneus,
    orthanc,
    lambda folder: storescp(folder, *FORK),
    lambda folder: storescp(folder, *BYTES),
)


@dataclass
class Measured:
    """One receiver's samples by number of associations: instances/s, and CPU ms per instance.

    `parts_ms` has the CPU of each of its programs.
    """

    receiver: Receiver
    rates: dict[int, list[float]] = field(default_factory=dict)
    cpu_ms: dict[int, list[float]] = field(default_factory=dict)
    parts_ms: dict[str, dict[int, list[float]]] = field(default_factory=dict)

    def add(self, associations: int, pushed: "Pushed") -> None:
        self.rates.setdefault(associations, []).append(pushed.rate)
        self.cpu_ms.setdefault(associations, []).append(sum(pushed.cpu_ms.values()))
        for part, cpu_ms in pushed.cpu_ms.items():
            self.parts_ms.setdefault(part, {}).setdefault(associations, []).append(cpu_ms)


@dataclass(frozen=True)
class Pushed:
    """One push: instances/s, and CPU ms per instance by part of the receiver."""

    rate: float
    cpu_ms: dict[str, float]


@dataclass(frozen=True)
class Receiving:
    """All samples of a run and who was missing from it; `disk` is files synced per second."""

    instances: int
    measured: tuple[Measured, ...]
    disk: dict[int, list[float]]
    skipped: tuple[str, ...]


def measure(plan: Plan) -> Receiving:
    """Run the benchmark.

    Raises:
        PeerMissing: there is no dcmtk, so there is no sender.
        BenchmarkError: a receiver failed, or the disk is too small.
    """
    find("dcmsend")
    configure_pynetdicom()
    instances = _QUICK_INSTANCES if plan.quick else INSTANCES
    _require_disk(plan, instances)
    files = write_objects(plan.folder / "objects", instances)
    with ExitStack() as stack:
        receivers, skipped = _start(stack, plan)
        measured = tuple(Measured(receiver) for receiver in receivers)
        _warm_up(receivers, files)
        disk = _repeat(plan, measured, files)
    return Receiving(instances, measured, disk, tuple(skipped))


def _require_disk(plan: Plan, instances: int) -> None:
    pushes = plan.repetitions * len(ASSOCIATIONS)
    needed = 2 * pushes * instances * _OBJECT_BYTES + _SPARE_BYTES
    if shutil.disk_usage(plan.folder).free < needed:
        raise BenchmarkError(f"{plan.folder} needs {needed / 1e9:.0f} GB of free disk")


def _start(stack: ExitStack, plan: Plan) -> tuple[list[Receiver], list[str]]:
    receivers, skipped = [], []
    for number, start in enumerate(STARTS):
        plan.progress("starting the receivers", number, len(STARTS))
        try:
            receivers.append(stack.enter_context(start(plan.folder / f"receiver-{number}")))
        except PeerMissing as missing:
            skipped.append(str(missing))
    return receivers, skipped


def _warm_up(receivers: Sequence[Receiver], files: ObjectFiles) -> None:
    """An untimed push for each, so that nobody's first allocations are measured."""
    for receiver in receivers:
        _push(receiver, files.renew(max(ASSOCIATIONS)))


def _repeat(plan: Plan, measured: Sequence[Measured], files: ObjectFiles) -> dict[int, list[float]]:
    """Fill in the samples; returns those of the disk alone."""
    disk: dict[int, list[float]] = {associations: [] for associations in ASSOCIATIONS}
    scratch = plan.folder / "disk"
    scratch.mkdir()
    content = files.paths[0].read_bytes()
    steps = plan.repetitions * len(ASSOCIATIONS) * len(measured)
    done = 0
    for repetition in range(plan.repetitions):
        # Whoever comes first in one repetition comes last in another.
        turn = repetition % len(measured)
        order = (*measured[turn:], *measured[:turn])
        for associations in ASSOCIATIONS:
            shares = files.renew(associations)
            for one in order:
                what = f"{one.receiver.name}, {associations} association(s)"
                plan.progress(what, done, steps)
                one.add(associations, _push(one.receiver, shares))
                done += 1
            disk[associations].append(sync_rate(scratch, content, associations, len(files.paths)))
    plan.progress("received", steps, steps)
    return disk


def _push(receiver: Receiver, shares: Sequence[Sequence[Path]]) -> Pushed:
    """Send everything once, and make sure that it arrived."""
    count = sum(len(share) for share in shares)
    # What earlier pushes left unsynced would be written at this one's expense.
    os.sync()
    stored = receiver.stored()
    before = {part: cpu_seconds(root) for part, root in receiver.roots.items()}
    seconds = push(receiver, shares)
    await_reaped(receiver.roots.values())
    cpu_ms = {
        part: 1000 * (cpu_seconds(root) - before[part]) / count
        for part, root in receiver.roots.items()
    }
    _require_stored(receiver, stored + count)
    receiver.clear()
    return Pushed(count / seconds, cpu_ms)


def _require_stored(receiver: Receiver, expected: int) -> None:
    """Make sure that all arrived; the last file of a forked process may come a moment later."""
    deadline = time.monotonic() + _SETTLE_S
    while (stored := receiver.stored()) != expected:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"{receiver.name} holds {stored} instances of {expected}")
        time.sleep(0.05)
