"""Decides how to go on where a walk could not vouch for its answer: a longer one, or exactly."""

from math import isinf

from sqlalchemy import Connection

from service.search.question import Question
from service.search.scanning import Scope, estimate
from service.search.walking import WALKS, Walk, Walked

# As many rows are compared in a scan in the time in which a walk comes to one (measured at 10^5).
_SCANNED_PER_WALKED = 16
# Out of the row, coordinates are fetched one by one either way.
_FETCHED_PER_WALKED = 3
# Of filters that leave less, none among the nearest rows means that the others are far away.
_COMMON = 0.05


def longer_walk(
    connection: Connection, question: Question, scope: Scope, last: Walked
) -> Walk | None:
    """The next walk that is likely to do and cheaper than the exact way, if there is one."""
    longer = [way for way in WALKS if way.rows > last.way.rows]
    if not longer or last.is_astray:
        return None
    expected = estimate(connection, question, scope)
    each = _FETCHED_PER_WALKED if question.encoder.is_projected else _SCANNED_PER_WALKED
    needed = last.needed
    if isinf(needed) and expected.passing >= _COMMON * expected.rows:
        # Perhaps only the patient's own slices stood in the way.
        needed = 2 * last.way.rows
    for way in longer:
        if way.trusted >= needed and each * way.rows < expected.reads:
            return way
    return None
