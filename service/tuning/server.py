"""The settings of a PostgreSQL server that holds a gallery, each with its reason.

The embedded server gets them at each start; of another the doctor says where it differs. Nothing
here asks a server.
"""

from dataclasses import dataclass

from service.tuning.machine import Machine

MIB = 1 << 20
GIB = 1 << 30
SMALL_SHM = 256 * MIB


@dataclass(frozen=True)
class Setting:
    """A setting's value, as postgresql.conf takes it, and why."""

    name: str
    value: str | int
    why: str


def server_settings(machine: Machine) -> tuple[Setting, ...]:
    """What a server on this machine should be set to; the service's processes run beside it."""
    return (*_memory(machine), *_workers(machine), *_planning(), *_upkeep(machine))


def _memory(machine: Machine) -> tuple[Setting, ...]:
    memory = machine.memory
    return (
        Setting(
            "shared_buffers",
            megabytes(memory // 4, least=64, most=32 << 10),
            "a quarter of the memory: a walk through the index reads thousands of pages, and one "
            "that is not in here costs a copy from the system's cache, or a read of the disk",
        ),
        Setting(
            "effective_cache_size",
            megabytes(memory // 2, least=256, most=1 << 20),
            "half of the memory: what the planner may take to be cached; the worker needs the rest",
        ),
        Setting(
            "maintenance_work_mem",
            megabytes(memory // 16, least=64, most=1024),
            "for upkeep; a build of the index asks for what its graph needs",
        ),
        Setting("work_mem", "16MB", "answers are short; each sort of each query may take it"),
    )


def _workers(machine: Machine) -> tuple[Setting, ...]:
    shm = machine.shared_memory_folder
    kind = Setting(
        "dynamic_shared_memory_type",
        "posix" if shm is not None else "mmap",
        "where parallel workers share memory",
    )
    if shm is None or shm < SMALL_SHM:
        why = f"shared memory is smaller than {SMALL_SHM // MIB} MB: parallel work would fail there"
        return (
            kind,
            Setting("max_parallel_maintenance_workers", 0, why),
            Setting("max_parallel_workers_per_gather", 0, why),
        )
    cores = machine.cores
    return (
        kind,
        Setting("max_parallel_workers", max(2, cores), "as many as there are cores"),
        Setting(
            "max_parallel_maintenance_workers",
            max(1, cores - 1),
            "an index is built by all cores; whoever asked for it is one of them",
        ),
        Setting(
            "max_parallel_workers_per_gather",
            min(4, max(1, cores // 2)),
            "searches that read all rows share them out, and leave cores to others",
        ),
    )


def _planning() -> tuple[Setting, ...]:
    return (
        Setting("jit", "off", "compiling a search takes longer than the search"),
        Setting(
            "random_page_cost",
            "1.1",
            "index and rows are read from memory or a solid-state disk, where any page is as near",
        ),
    )


def _upkeep(machine: Machine) -> tuple[Setting, ...]:
    return (
        Setting(
            "max_wal_size",
            "4GB" if machine.memory >= 8 * GIB else "1GB",
            "loads of many slices should not force a checkpoint every few seconds",
        ),
    )


def megabytes(size: int, *, least: int, most: int) -> str:
    """A size in bytes as a setting, between two bounds in MB."""
    return f"{min(max(size // MIB, least), most)}MB"


def shown_size(count: int) -> str:
    """Bytes for people: 512 MB, 4.1 GB."""
    return f"{count / GIB:.1f} GB" if count >= GIB else f"{count / MIB:.0f} MB"
