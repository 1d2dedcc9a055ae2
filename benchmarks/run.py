"""Runs the chosen benchmarks one after the other and keeps what each found."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from benchmarks.errors import BenchmarkError
from benchmarks.machine import Load, Machine, describe_machine, measure_load, now
from benchmarks.plan import Plan
from benchmarks.section import Section

Benchmark = Callable[[Plan], Section]


@dataclass(frozen=True)
class Measured:
    """One benchmark's results and how busy the machine was before and after it."""

    section: Section
    before: Load
    after: Load


@dataclass(frozen=True)
class Run:
    """Everything a run found; `failures` are benchmarks that could not be measured, with why."""

    made_at: str
    quick: bool
    repetitions: int
    machine: Machine
    measured: tuple[Measured, ...]
    failures: tuple[tuple[str, str], ...]


def run(names: Sequence[str], plan: Plan) -> Run:
    """Measure; one benchmark that fails does not keep the others from running."""
    made_at, machine = now(), describe_machine(plan.folder)
    measured, failures = [], []
    for name in names:
        before = measure_load()
        try:
            section = _benchmark(name)(plan)
        except BenchmarkError as error:
            failures.append((name, str(error)))
            continue
        except Exception:
            # What the others found took minutes, and must not be lost to this one's fault.
            failures.append((name, traceback.format_exc()))
            continue
        measured.append(Measured(section, before, measure_load()))
    return Run(made_at, plan.quick, plan.repetitions, machine, tuple(measured), tuple(failures))


def _benchmark(name: str) -> Benchmark:
    """The benchmark called `name`: its `measure`, then its `results`.

    Loaded only when it runs: torch and the database are not for every one of them.
    """
    measure = import_module(f"benchmarks.{name}.measure").measure
    results = import_module(f"benchmarks.{name}.results").results
    return lambda plan: results(measure(plan))
