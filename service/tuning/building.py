"""Memory and workers for building an HNSW index of so many slices.

A graph that fits into maintenance_work_mem is built in memory, many times as fast as one that does
not. With parallel workers that memory is one piece of /dev/shm, and a build fails where it does not
fit; without them it is the process's own.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from service.tuning.machine import Machine, free_shared_memory, this_machine
from service.tuning.server import MIB

# Measured on clustered slices: more links make walks slower and find no more of the neighbours.
HNSW_M = 24
# pgvector's structures for an element: itself, its lists' heads and the allocator's.
_ELEMENT_BYTES = 300
_CANDIDATE_BYTES = 16
_SPARE = 1.1
_LEAST = 64 * MIB
_MOST_SHARE = 2  # at most half of the memory


@dataclass(frozen=True)
class Building:
    """What a build is given; `graph_bytes` is what the whole graph needs."""

    graph_bytes: int
    memory_bytes: int
    workers: int

    @property
    def in_memory(self) -> bool:
        """Whether the whole graph is built in memory."""
        return self.memory_bytes >= self.graph_bytes


def graph_bytes(rows: int, held_bytes: int, m: int = HNSW_M) -> int:
    """Memory that pgvector's graph takes while it is built, of vectors of `held_bytes` each."""
    each = held_bytes + 8 + 2 * m * _CANDIDATE_BYTES + m * _CANDIDATE_BYTES // (m - 1)
    return rows * (each + _ELEMENT_BYTES)


def building(
    rows: int,
    held_bytes: int,
    machine: Machine | None = None,
    free_shm: int | None = None,
    *,
    memory_bytes: int | None = None,
) -> Building:
    """Settings for building on this machine, or on the one given with its free shared memory.

    `memory_bytes` is what somebody said, instead of what the graph needs.
    """
    machine = machine or this_machine()
    free = free_shared_memory() if free_shm is None else free_shm
    graph = graph_bytes(rows, held_bytes)
    most = max(machine.memory // _MOST_SHARE, _LEAST)
    memory = memory_bytes or int(min(max(graph * _SPARE, _LEAST), most))
    workers = machine.cores - 1 if machine.shared_memory_folder and free > memory * _SPARE else 0
    return Building(graph, memory, workers)


def use_for_building(
    connection: Connection, settings: Building, *, for_session: bool = False
) -> None:
    """Set them for the rest of this transaction, or session, on a server of this machine."""
    how = "SET" if for_session else "SET LOCAL"
    connection.exec_driver_sql(
        f"{how} maintenance_work_mem = '{settings.memory_bytes >> 10}kB';"
        f"{how} max_parallel_maintenance_workers = {settings.workers}"
    )
