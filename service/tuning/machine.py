"""The machine as far as settings depend on it. Looks, and changes nothing."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

_SHM = Path("/dev/shm")  # noqa: S108 - looked at, never written to
_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


@dataclass(frozen=True)
class Machine:
    """Bytes of memory, bytes of the folder of shared memory (None: there is none), CPU cores."""

    memory: int
    shared_memory_folder: int | None
    cores: int = 1


def this_machine() -> Machine:
    """The memory that is ours (a container's limit counts), /dev/shm, and cores we may use."""
    limits = [psutil.virtual_memory().total]
    for path in _CGROUP_LIMITS:
        if path.is_file() and (text := path.read_text().strip()).isdigit():
            limits.append(int(text))
    writable = _SHM.is_dir() and os.access(_SHM, os.W_OK)
    shm = shutil.disk_usage(_SHM).total if writable else None
    return Machine(min(limits), shm, _cores())


def free_shared_memory() -> int:
    """Bytes that may still be taken in the folder of shared memory; 0 without such a folder."""
    return shutil.disk_usage(_SHM).free if _SHM.is_dir() else 0


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
