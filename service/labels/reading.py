"""Reads tables of labels: CSV in UTF-8 with a header line. It writes nothing.

Line after line, so that a table may be larger than memory; a bad line does not end the reading, so
that all of them can be told at once.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from typing import IO

from service.errors import InvalidParameter
from service.labels.checking import FIELDS, checked
from service.labels.faults import Faults, TableTooLarge
from service.labels.record import LabelRecord

_LONGEST_LINE = 1 << 20  # characters; memory must not depend on where a line ends


@dataclass(frozen=True)
class Line:
    """A line of a table, counted from 1 with its header, and the label that it says."""

    number: int
    record: LabelRecord


def read_lines(file: IO[bytes], name: str, faults: Faults, maximum_lines: int) -> Iterator[Line]:
    """The labels of a table; what cannot be taken goes into `faults`.

    Columns: sop_instance_uid or study_instance_uid, label (or scheme and code); if given source,
    scheme, code, meaning, origin, author and stated_at. Others are passed over.

    Raises:
        InvalidParameter: there is no header line with these columns.
        TableTooLarge: more than `maximum_lines` follow it.
    """
    # Bytes that are no UTF-8 become surrogates, which the check of each cell finds.
    text = TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        reader = csv.reader(_bounded(text))
        columns = _columns(reader, name)
        while True:
            number = reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:
                faults.add(
                    number, "no CSV from here on (a quote that is never closed, or a huge line?)"
                )
                return
            if reader.line_num - 1 > maximum_lines:
                raise TableTooLarge(
                    name,
                    f"it has more than {maximum_lines} lines",
                    "PRECUNEUS_LABELS__MAXIMUM_LINES",
                )
            if any(cell.strip() for cell in row):
                record = _record(row, columns, number, faults)
                if record is not None:
                    yield Line(number, record)
    finally:
        text.detach()


def _bounded(text: TextIOWrapper) -> Iterator[str]:
    """Line after line, each of bounded length.

    Raises:
        csv.Error: one is longer.
    """
    while line := text.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise csv.Error
        yield line


def _columns(reader: "Iterator[list[str]]", name: str) -> dict[str, int]:
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
    except csv.Error:
        header = []
    columns = {cell: place for place, cell in enumerate(header) if cell in FIELDS}
    if not columns.keys() & {"sop_instance_uid", "study_instance_uid"} or not (
        "label" in columns or columns.keys() >= {"scheme", "code"}
    ):
        raise InvalidParameter(
            f"{name} needs a header line with the columns sop_instance_uid or study_instance_uid, "
            "label and, if you like, source, scheme, code, meaning, origin, author and stated_at, "
            "separated by commas, in UTF-8."
        )
    if twice := [column for column in columns if header.count(column) > 1]:
        raise InvalidParameter(f"{name} has the column {twice[0]} more than once.")
    return columns


def _record(
    row: Sequence[str], columns: dict[str, int], number: int, faults: Faults
) -> LabelRecord | None:
    cells = {column: row[place] for column, place in columns.items() if place < len(row)}
    try:
        return checked(cells)
    except InvalidParameter as fault:
        faults.add(number, str(fault))
        return None
