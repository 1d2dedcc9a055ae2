"""Whether an encoder's partition has its index, whole; and what broken ones lie beside it.

Rebuilding (REINDEX CONCURRENTLY) leaves those when it is broken off; they can be dropped here.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from service.encoders.partitions import index_name
from service.encoders.registry import ActiveEncoder
from service.verifying import faults
from service.verifying.faults import Fault

_FIND = text("""
    SELECT c.relname AS name, x.indisvalid AND x.indisready AS valid, a.amname AS method,
           pg_get_indexdef(x.indexrelid) AS definition, pg_relation_size(x.indexrelid) AS bytes
    FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_am a ON a.oid = c.relam
    WHERE x.indrelid = to_regclass(:table) ORDER BY c.relname""")


@dataclass(frozen=True)
class TableIndex:
    """An index of a table; one that is not `valid` costs time and serves nobody."""

    name: str
    valid: bool
    method: str
    definition: str
    bytes: int


def list_indexes(connection: Connection, table: str) -> list[TableIndex]:
    """All indexes of a table, by name."""
    rows = connection.execute(_FIND, {"table": table}).mappings()
    return [TableIndex(**row) for row in rows]


def drop_broken(connection: Connection, encoder: ActiveEncoder) -> list[str]:
    """Drop what broken-off builds left beside the index, and name it; outside transactions."""
    own = index_name(encoder.encoder_id)
    found = list_indexes(connection, encoder.partition)
    names = [index.name for index in found if not index.valid and index.name != own]
    for name in names:
        connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    return names


def find_index_faults(connection: Connection, encoder: ActiveEncoder) -> list[Fault]:
    """An index that is missing, or indexes that a broken rebuild left."""
    indexes = list_indexes(connection, encoder.partition)
    found = []
    if not any(index.method == "hnsw" for index in indexes):
        found.append(Fault.of(faults.INDEX_MISSING, 1, [encoder.name]))
    invalid = [index.name for index in indexes if not index.valid]
    if invalid:
        found.append(Fault.of(faults.INDEX_INVALID, len(invalid), invalid))
    return found
