"""What `explain` tells: the ways that were gone, and how many rows pass. It searches nothing."""

from dataclasses import replace

from sqlalchemy import Connection

from service.search.found import Method, ScanReport, Step
from service.search.question import Question
from service.search.scanning import Scope, count

ASTRAY = ", astray"


def report_of(
    connection: Connection, question: Question, scope: Scope, steps: list[Step], method: Method
) -> ScanReport:
    """Count what passes, exactly, and say why the search went the way it did."""
    rows, passing = count(connection, question, scope)
    # The exact way compares the rows that pass, however it comes to them.
    told = tuple(
        replace(step, rows_scanned=passing) if step.rows_scanned is None else step for step in steps
    )
    if method == "hnsw":
        reason = f"the walk of {told[-1].rows_scanned} rows has all of them among its surest"
    elif len(steps) == 1:
        reason = "asked for"
    elif any(step.name.endswith(ASTRAY) for step in steps):
        reason = "the walk may have come down far from what is nearest"
    else:
        reason = "too few of the nearest rows pass for a walk to be sure of its answer"
    scanned = sum(step.rows_scanned or 0 for step in told)
    return ScanReport(rows, passing, scanned, reason, told)
