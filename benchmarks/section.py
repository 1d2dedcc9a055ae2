"""What a benchmark hands back: tables to show, sentences about them, and the raw figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Table:
    """One table; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def is_numeric(self, column: int) -> bool:
        """Whether a column holds figures, which align to the right."""
        return column > 0 and all(row[column][:1].isdigit() for row in self.rows)


@dataclass(frozen=True)
class Section:
    """One benchmark's results; `data` is JSON-ready."""

    name: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
