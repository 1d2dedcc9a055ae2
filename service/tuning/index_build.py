"""What a session that builds an encoder's index is set to, whoever asks for the build.

Of a server on another machine nothing is known but what the settings say of it.
"""

from dataclasses import replace

from sqlalchemy import Connection, text

from service.encoders.partitions import indexed_bytes
from service.encoders.registry import ActiveEncoder
from service.settings import Settings
from service.tuning.building import Building, building, use_for_building
from service.tuning.server import MIB


def planned_build(rows: int, encoder: ActiveEncoder, settings: Settings) -> Building:
    """Memory that the graph of so many rows needs, or that a setting says, and all cores."""
    said = settings.reindex.index_memory_mb
    memory = said * MIB if said is not None else None
    return building(rows, indexed_bytes(encoder.dimension), memory_bytes=memory)


def prepare_session(
    connection: Connection, encoder: ActiveEncoder, settings: Settings, processes: int | None
) -> None:
    """Give a session outside transactions what the build needs; its settings stay until it ends.

    `processes` are helpers beside it, as far as their shared memory has room; None: all cores.
    """
    if settings.has_embedded_database:
        count = text(f"SELECT count(*) FROM {encoder.partition}")  # noqa: S608 - our own name
        planned = planned_build(connection.scalar(count) or 0, encoder, settings)
        if processes is not None:
            planned = replace(planned, workers=min(processes, planned.workers))
        use_for_building(connection, planned, for_session=True)
        return
    if processes is not None:
        connection.exec_driver_sql(f"SET max_parallel_maintenance_workers = {processes}")
    if (megabytes := settings.reindex.index_memory_mb) is not None:
        connection.exec_driver_sql(f"SET maintenance_work_mem = '{megabytes}MB'")
