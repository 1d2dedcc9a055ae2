"""What the doctor says about the database's settings: what each is, should be, and why.

The embedded server has what the machine gives, unless an administrator's local.conf says otherwise.
Of another server the machine is unknown: there the advice follows from what the gallery takes.
"""

from collections.abc import Iterator

from sqlalchemy import Connection

from service.encoders.registry import ActiveEncoder, find_active
from service.finding import Finding
from service.settings import Settings
from service.tuning.build_advice import advise_build
from service.tuning.gallery import GallerySize, current_settings, gallery_size
from service.tuning.huge_pages import advise_huge_pages
from service.tuning.machine import Machine, this_machine
from service.tuning.server import GIB, MIB, Setting, server_settings, shown_size

_SIZES = {"shared_buffers", "effective_cache_size", "maintenance_work_mem", "work_mem"}
_SIZES |= {"max_wal_size"}
_DEAD_SHARE = 0.1
_MANY_DEAD = 1000
# What follows from the machine, and cannot be judged from another one.
_OF_THE_MACHINE = {
    "effective_cache_size",
    "maintenance_work_mem",
    "max_parallel_workers",
    "max_parallel_maintenance_workers",
    "max_parallel_workers_per_gather",
    "dynamic_shared_memory_type",
    "shared_buffers",
}


def advise(connection: Connection, settings: Settings) -> Iterator[Finding]:
    """Findings about memory, settings, shared memory and upkeep."""
    machine, embedded = this_machine(), settings.has_embedded_database
    wanted = server_settings(machine)
    current = current_settings(connection, [setting.name for setting in wanted])
    yield _settings(wanted, current, embedded=embedded)
    active = find_active(connection)
    if active is None:
        return
    size = gallery_size(connection, active)
    yield _memory(size, int(current["shared_buffers"]), machine, embedded=embedded)
    if (pages := advise_huge_pages(connection, size)) is not None:
        yield pages
    yield advise_build(connection, size, active, settings)
    yield _upkeep(size, active)


def _settings(wanted: tuple[Setting, ...], current: dict[str, str], *, embedded: bool) -> Finding:
    judged = [s for s in wanted if embedded or s.name not in _OF_THE_MACHINE]
    others = [s for s in judged if not _is_as(s, current[s.name])]
    if not others:
        told = ", ".join(f"{s.name} {_shown(s.name, current[s.name])}" for s in wanted)
        return Finding("database settings", "ok", told)
    told = "; ".join(
        f"{s.name} is {_shown(s.name, current[s.name])}, should be {s.value}: {s.why}"
        for s in others
    )
    where = "local.conf beside the cluster sets them" if embedded else "Set them on the server"
    return Finding("database settings", "note", told, f"{where}; then restart it.")


def _is_as(setting: Setting, current: str) -> bool:
    value = str(setting.value)
    if setting.name in _SIZES:
        # What an administrator raised is fine.
        return int(current) >= _bytes(value)
    try:
        return float(current) == float(value)
    except ValueError:
        return current == value


def _memory(size: GallerySize, buffers: int, machine: Machine, *, embedded: bool) -> Finding:
    told = f"index {shown_size(size.index_bytes)} and rows {shown_size(size.table_bytes)}"
    told += f" of {size.rows:,} slices; shared_buffers {shown_size(buffers)}"
    if size.index_bytes <= buffers:
        return Finding("index in memory", "ok", f"{told}: the index fits")
    told += ": the index does not fit, so searches wait for the system's cache or the disk"
    if not embedded:
        room = shown_size(_with_room(size))
        remedy = f"Set shared_buffers to {room}, on a machine of four times that."
        return Finding("index in memory", "note", told, remedy)
    if size.searched_bytes <= machine.memory // 2:
        remedy = "The system's cache holds it: searches take some milliseconds longer."
        return Finding("index in memory", "note", told, remedy)
    remedy = (
        f"Give the machine {shown_size(4 * _with_room(size))} of memory, or move the gallery to a "
        "server of its own (docs/scaling.md)."
    )
    return Finding("index in memory", "note", told, remedy)


def _with_room(size: GallerySize) -> int:
    return size.index_bytes * 5 // 4


def _upkeep(size: GallerySize, active: ActiveEncoder) -> Finding:
    told = f"{size.dead_rows:,} dead rows beside {size.rows:,}"
    if size.dead_rows > max(_MANY_DEAD, _DEAD_SHARE * size.rows):
        told += ": the index leads there in vain until they are cleaned up"
        remedy = f"Is autovacuum on? Run VACUUM {active.partition} in a quiet hour."
        return Finding("deleted slices", "note", told, remedy)
    return Finding("deleted slices", "ok", told)


def _bytes(value: str) -> int:
    number, unit = int(value[:-2]), value[-2:]
    return number * {"MB": MIB, "GB": GIB}[unit]


def _shown(name: str, current: str) -> str:
    return shown_size(int(current)) if name in _SIZES else current
