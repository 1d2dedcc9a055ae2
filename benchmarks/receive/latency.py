"""How long single objects take: an association for each, and one after the other under abuse."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter

from benchmarks.errors import BenchmarkError
from benchmarks.plan import Plan
from benchmarks.receive.abuse import CASES
from benchmarks.receive.dialogue import Dialogue, association_request, dialogue
from benchmarks.receive.objects import ObjectFiles
from benchmarks.receive.receiver import Receiver

_VISITS = 20  # in each repetition, for each receiver
_STORES = 60  # in each repetition, with and without each kind of abuse


@dataclass
class Latency:
    """Seconds.

    `visits` are of an association with one store, by receiver's name; `stores` of stores on one
    association to the first receiver, with nothing beside (None) or some abuse.
    """

    visits: dict[str, list[float]] = field(default_factory=dict)
    stores: dict[str | None, list[float]] = field(default_factory=dict)

    @property
    def abused(self) -> list[float]:
        """The stores beside any abuse."""
        return [s for case, seconds in self.stores.items() if case for s in seconds]


def measure_latency(plan: Plan, receivers: Sequence[Receiver], files: ObjectFiles) -> Latency:
    """Ask receivers in turn, and abuse the first of them."""
    latency = Latency()
    stores = 10 if plan.quick else _STORES
    steps = plan.repetitions * (1 + len(CASES))
    for repetition in range(plan.repetitions):
        done = repetition * (1 + len(CASES))
        plan.progress("one store for each association", done, steps)
        studies = {receiver.name: files.study() for receiver in receivers}
        for _ in range(_VISITS):
            for receiver in receivers:
                seconds = _visit(receiver, *next(studies[receiver.name]))
                latency.visits.setdefault(receiver.name, []).append(seconds)
        for number, case in enumerate(CASES, start=1):
            plan.progress(f"abuse: {case}", done + number, steps)
            with dialogue(receivers[0]) as one:
                latency.stores.setdefault(None, []).extend(_stores(one, files, stores))
                with _abused(receivers[0], case):
                    found = _stores(one, files, stores)
                latency.stores.setdefault(case, []).extend(found)
    return latency


def _visit(receiver: Receiver, sop_instance_uid: str, dataset: bytes) -> float:
    """Connect, associate, store, release."""
    request = association_request(receiver.ae_title)
    started = perf_counter()
    one = Dialogue(receiver)
    try:
        one.associate(request)
        one.store(sop_instance_uid, dataset)
        one.release()
    finally:
        one.close()
    return perf_counter() - started


def _stores(one: Dialogue, files: ObjectFiles, number: int) -> list[float]:
    return [one.store(*instance) for instance in islice(files.study(), number)]


@contextmanager
def _abused(receiver: Receiver, case: str) -> Iterator[None]:
    """A process that misbehaves for the length of a block."""
    argv = (sys.executable, "-m", "benchmarks.receive.abuse", case, str(receiver.port))
    with subprocess.Popen([*argv, receiver.ae_title], stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is None or not process.stdout.readline():
                raise BenchmarkError(f"the abuse {case!r} did not begin")
            yield
            if process.poll() is not None:
                raise BenchmarkError(f"the abuse {case!r} ended by itself")
        finally:
            process.kill()
