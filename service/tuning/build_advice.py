"""What the doctor says of building the index anew: memory, cores, and what a build is set to."""

from sqlalchemy import Connection

from service.encoders.registry import ActiveEncoder
from service.finding import Finding
from service.settings import ReindexSettings, Settings
from service.tuning.building import Building
from service.tuning.gallery import GallerySize, current_settings
from service.tuning.index_build import planned_build
from service.tuning.machine import Machine, free_shared_memory, this_machine
from service.tuning.server import MIB, shown_size

_SUBJECT = "index build"


def advise_build(
    connection: Connection, size: GallerySize, active: ActiveEncoder, settings: Settings
) -> Finding:
    """What `index rebuild` and a reindex would set, why, and what stands in their way."""
    planned = planned_build(size.rows, active, settings)
    told = f"the graph of {size.rows:,} slices takes {shown_size(planned.graph_bytes)} of memory"
    if settings.has_embedded_database:
        return _embedded(planned, told, settings.reindex, this_machine())
    server = int(current_settings(connection, ["maintenance_work_mem"])["maintenance_work_mem"])
    said = settings.reindex.index_memory_mb
    memory = server if said is None else said * MIB
    told += f", maintenance_work_mem of a build is {shown_size(memory)}"
    if memory >= planned.graph_bytes:
        return Finding(_SUBJECT, "ok", f"{told}: built in memory")
    megabytes = planned.graph_bytes * 11 // 10 // MIB + 1
    remedy = f"Set PRECUNEUS_REINDEX__INDEX_MEMORY_MB to {megabytes}, if the server has it."
    return Finding(_SUBJECT, "note", f"{told}: most of it would go to disk, for hours", remedy)


def _embedded(planned: Building, told: str, reindex: ReindexSettings, machine: Machine) -> Finding:
    if not planned.in_memory:
        if reindex.index_memory_mb is not None:
            told += f", PRECUNEUS_REINDEX__INDEX_MEMORY_MB is {reindex.index_memory_mb}"
            return Finding(_SUBJECT, "note", f"{told}: it would take hours", "Raise it, or unset.")
        told += f", more than half of this machine's {shown_size(machine.memory)}"
        remedy = "Build on a machine with more memory."
        return Finding(_SUBJECT, "note", f"{told}: it would take hours", remedy)
    told += f": a build sets maintenance_work_mem to {shown_size(planned.memory_bytes)}, so that "
    told += "all of it is built in memory"
    if not planned.workers and machine.cores > 1:
        told += f"; /dev/shm has {shown_size(free_shared_memory())}: one core would do all the work"
        remedy = (
            f"Enlarge /dev/shm to {shown_size(planned.memory_bytes * 6 // 5)} (Docker: shm_size, "
            "else mount -o remount,size=…)."
        )
        return Finding(_SUBJECT, "note", told, remedy)
    helpers = min(reindex.index_processes, planned.workers)
    told += f", and max_parallel_maintenance_workers to {planned.workers}, since somebody waits "
    told += f"(a reindex: {helpers}, since searches go on; PRECUNEUS_REINDEX__INDEX_PROCESSES)"
    return Finding(_SUBJECT, "ok", told)
