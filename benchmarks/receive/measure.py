"""Runs the receiving benchmark: every receiver in turn, on the same objects, again and again."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from itertools import count, product
from pathlib import Path

from benchmarks.children import await_reaped, cpu_seconds
from benchmarks.errors import BenchmarkError, PeerMissing
from benchmarks.peers import find
from benchmarks.plan import Plan
from benchmarks.receive.disk import sync_rate
from benchmarks.receive.latency import Latency, measure_latency
from benchmarks.receive.objects import CT, MR, Kind, ObjectFiles, write_objects
from benchmarks.receive.orthanc import orthanc
from benchmarks.receive.precuneus import precuneus
from benchmarks.receive.receiver import Receiver
from benchmarks.receive.sender import push
from benchmarks.receive.storescp import BYTES, FORK, storescp
from benchmarks.spread import Spread
from dicom_node.configure import configure_pynetdicom

ASSOCIATIONS = (1, 4, 10)
KINDS = (CT, MR)
INSTANCES = {CT: 200, MR: 400}
_QUICK_INSTANCES = 60
_LATENCY_BYTES = 3_000_000_000  # what measuring single stores leaves behind, at most
_SPARE_BYTES = 2_000_000_000
_SETTLE_S = 20.0

Start = Callable[[Path], AbstractContextManager[Receiver]]

STARTS: tuple[Start, ...] = (
    precuneus,
    orthanc,
    lambda folder: storescp(folder, *FORK),
    lambda folder: storescp(folder, *BYTES),
)


Case = tuple[Kind, int]
"""What is sent, and by how many associations at once."""


@dataclass(frozen=True)
class Pushed:
    """One push: instances/s, and CPU ms per instance by part of the receiver."""

    rate: float
    cpu_ms: dict[str, float]


@dataclass
class Measured:
    """One receiver's pushes."""

    receiver: Receiver
    pushes: dict[Case, list[Pushed]] = field(default_factory=dict)

    def rates(self, case: Case) -> Spread:
        """Instances per second."""
        return Spread.of([pushed.rate for pushed in self.pushes[case]])

    def cpu_ms(self, case: Case, part: str | None = None) -> Spread:
        """CPU milliseconds per instance of one of its programs, or of all."""
        return Spread.of(
            [
                sum(pushed.cpu_ms.values()) if part is None else pushed.cpu_ms[part]
                for pushed in self.pushes[case]
            ]
        )


@dataclass(frozen=True)
class Receiving:
    """All samples of a run and who was missing from it; `disk` is files synced per second."""

    instances: dict[Kind, int]
    measured: tuple[Measured, ...]
    disk: dict[Case, list[float]]
    latency: Latency
    skipped: tuple[str, ...]


def measure(plan: Plan) -> Receiving:
    """Run the benchmark.

    Raises:
        PeerMissing: there is no dcmtk, so there is no sender.
        BenchmarkError: a receiver failed, or the disk is too small.
    """
    find("dcmsend")
    configure_pynetdicom()
    instances = dict.fromkeys(KINDS, _QUICK_INSTANCES) if plan.quick else INSTANCES
    _require_disk(plan, instances)
    numbers = count(1)
    files = [
        write_objects(plan.folder / kind.modality, kind, instances[kind], numbers) for kind in KINDS
    ]
    with ExitStack() as stack:
        receivers, skipped = _start(stack, plan)
        measured = tuple(Measured(receiver) for receiver in receivers)
        _warm_up(receivers, files[0])
        disk = _repeat(plan, measured, files)
        latency = measure_latency(plan, receivers, files[0])
    return Receiving(instances, measured, disk, latency, tuple(skipped))


def _require_disk(plan: Plan, instances: dict[Kind, int]) -> None:
    pushes = plan.repetitions * len(ASSOCIATIONS)
    sent = sum(kind.pixel_bytes * number for kind, number in instances.items())
    needed = 2 * pushes * sent + _LATENCY_BYTES + _SPARE_BYTES
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


def _repeat(
    plan: Plan, measured: Sequence[Measured], files: Sequence[ObjectFiles]
) -> dict[Case, list[float]]:
    """Fill in the samples; returns those of the disk alone."""
    disk: dict[Case, list[float]] = {}
    scratch = plan.folder / "disk"
    steps = plan.repetitions * len(files) * len(ASSOCIATIONS) * len(measured)
    done = 0
    for repetition in range(plan.repetitions):
        # Whoever comes first in one repetition comes last in another.
        turn = repetition % len(measured)
        order = (*measured[turn:], *measured[:turn])
        for one_kind, associations in product(files, ASSOCIATIONS):
            case = one_kind.kind, associations
            shares = one_kind.renew(associations)
            for one in order:
                what = f"{one.receiver.name}: {case[0].name}, {associations} association(s)"
                plan.progress(what, done, steps)
                one.pushes.setdefault(case, []).append(_push(one.receiver, shares))
                done += 1
            new, count = scratch / str(done), len(one_kind.paths)
            rate = sync_rate(new, one_kind.content, associations, count)
            disk.setdefault(case, []).append(rate)
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
    return Pushed(count / seconds, cpu_ms)


def _require_stored(receiver: Receiver, expected: int) -> None:
    """Make sure that all arrived; the last file of a forked process may come a moment later."""
    deadline = time.monotonic() + _SETTLE_S
    while (stored := receiver.stored()) != expected:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"{receiver.name} holds {stored} instances of {expected}")
        time.sleep(0.05)
