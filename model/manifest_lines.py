"""The lines of a CSV file, cell by cell.

Errors name line and column, never what stands there: if columns have shifted, that could be a
patient's name.
"""

import csv
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from model.errors import ManifestError
from model.placement import Box

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Line:
    """One line of a file; all that it gives raises ManifestError for a cell that is amiss."""

    file: str
    number: int
    cells: Mapping[str, str | None]

    def has(self, column: str) -> bool:
        """Whether the file has such a column."""
        return column in self.cells

    def text(self, column: str) -> str:
        """A cell that must not be empty."""
        if not self.has(column):
            raise ManifestError(f"{self.file} has no column {column}")
        cell = self.cells[column]
        if not cell:
            raise self._amiss(column, "is empty")
        return cell

    def one_of(self, column: str, known: Collection[str], default: str | None = None) -> str:
        """A cell with one of the known words; with a default it may be empty or missing."""
        if default is not None and not self.cells.get(column):
            return default
        cell = self.text(column)
        if cell not in known:
            raise self._amiss(column, f"is none of {', '.join(known)}")
        return cell

    def whole_number(self, column: str) -> int:
        """A whole number."""
        cell = self.text(column)
        try:
            return int(cell)
        except ValueError:
            raise self._amiss(column, "is no whole number") from None

    def box(self, column: str) -> Box | None:
        """Left, top, right and bottom with spaces between; None if the cell is empty or missing."""
        cell = (self.cells.get(column) or "").strip()
        if not cell:
            return None
        try:
            left, top, right, bottom = map(float, cell.split())
        except ValueError:
            raise self._amiss(column, "is not four numbers") from None
        whole = all(map(math.isfinite, (left, top, right, bottom)))
        if not (whole and left <= right and top <= bottom):
            raise self._amiss(column, "is not left, top, right, bottom")
        return left, top, right, bottom

    def _amiss(self, column: str, what: str) -> ManifestError:
        return ManifestError(f"{self.file}, line {self.number}: {column} {what}")


def read_lines(path: Path, parse: Callable[[Line], _Read]) -> list[_Read]:
    """What `parse` makes of each line. Raises ManifestError if the file cannot be read."""
    found = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            for cells in reader:
                if any(cells.pop(None, ())):  # the key of cells beyond the last column
                    raise ManifestError(f"{path.name}, line {reader.line_num}: too many cells")
                found.append(parse(Line(path.name, reader.line_num, cells)))
    except OSError as error:
        raise ManifestError(f"cannot read {path.name}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ManifestError(f"cannot read {path.name}: it is not UTF-8") from None
    except csv.Error:
        where = f"after line {reader.line_num}"
        raise ManifestError(f"{path.name} is no CSV file {where}") from None
    return found
