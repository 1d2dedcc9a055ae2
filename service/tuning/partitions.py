"""How an encoder's partition of embeddings is looked after by autovacuum."""

from sqlalchemy import Connection

# Of a million slices PostgreSQL would let 200,000 be deleted before it cleans up; meanwhile the
# index leads there in vain.
_SETTINGS = {
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    # New rows need no cleaning of the index.
    "autovacuum_vacuum_insert_scale_factor": "0.5",
    # Embeddings are written once, and changed where a label is: leave no room in their pages.
    "fillfactor": "100",
}


def tune_partition(connection: Connection, partition: str) -> None:
    """Set how a partition (a trusted name) is kept."""
    settings = ", ".join(f"{name} = {value}" for name, value in _SETTINGS.items())
    connection.exec_driver_sql(f"ALTER TABLE {partition} SET ({settings})")
