"""Every table, for Alembic, which must know them all; programs import the file that they need."""

from service.db import node_tables, reindex_tables
from service.db.tables import metadata

__all__ = ["metadata", "node_tables", "reindex_tables"]
