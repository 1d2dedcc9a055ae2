"""What a gallery takes in its database, asked of the server; estimates nothing."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from service.encoders.registry import ActiveEncoder

_SIZES = text(
    """
    SELECT coalesce((SELECT n_live_tup FROM pg_stat_user_tables WHERE relname = :table), 0) AS rows,
           coalesce((SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = :table), 0) AS dead,
           pg_table_size(to_regclass(:table)) AS table_bytes,
           coalesce((SELECT sum(pg_relation_size(indexrelid)) FROM pg_index
                     JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = c.relam
                     WHERE indrelid = to_regclass(:table) AND a.amname = 'hnsw'), 0) AS index_bytes
    """
)
_SETTINGS = text("SELECT name, setting, unit FROM pg_settings WHERE name = ANY (:names)")
_UNITS = {"8kB": 8192, "kB": 1024, "MB": 1 << 20, "B": 1}


@dataclass(frozen=True)
class GallerySize:
    """An encoder's rows, as the server last counted them, and what they and their index take."""

    rows: int
    dead_rows: int
    table_bytes: int
    index_bytes: int

    @property
    def searched_bytes(self) -> int:
        """What searches read: the index, and the rows of what it finds."""
        return self.table_bytes + self.index_bytes


def gallery_size(connection: Connection, encoder: ActiveEncoder) -> GallerySize:
    """How large the encoder's partition and its HNSW index are."""
    row = connection.execute(_SIZES, {"table": encoder.partition}).one()
    return GallerySize(row.rows, row.dead, row.table_bytes or 0, int(row.index_bytes))


def current_settings(connection: Connection, names: list[str]) -> dict[str, str]:
    """The server's settings; sizes in bytes, all else as the server writes it."""
    found = {}
    for name, setting, unit in connection.execute(_SETTINGS, {"names": names}):
        found[name] = str(int(setting) * _UNITS[unit]) if unit in _UNITS else str(setting)
    return found
