"""The approximate way: walks the HNSW index, and says when its answer is not to be relied on."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from math import ceil, inf
from typing import Any

import psycopg2
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from service.db.prepared import fetch_prepared
from service.search.question import Question
from service.search.ranking import ranked
from service.search.statements import walk_statement

# The joins are of some dozens of rows by key; the path chosen here is the one that is reported.
_FORCED = ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin")
_FORCE = "".join(f"SET LOCAL {name} = off;" for name in _FORCED)
_RESET = "".join(f"RESET {name};" for name in _FORCED)


@dataclass(frozen=True)
class Walk:
    """How far to walk: so many rows, of which the nearest `trusted` are taken to lack none.

    A walk looks for the nearest rows of all, whatever they are, and the filters choose among these.
    So a filter cannot lead it astray; it can only leave too few of the trusted ones.
    """

    rows: int
    ef_search: int
    trusted: int

    @property
    def settings(self) -> str:
        """What makes PostgreSQL walk so far, and no farther, until the transaction ends."""
        farther = ""
        if self.rows > self.ef_search:
            farther = (
                "SET LOCAL hnsw.iterative_scan = relaxed_order;"
                f"SET LOCAL hnsw.max_scan_tuples = {2 * self.rows};"
                "SET LOCAL hnsw.scan_mem_multiplier = 16;"
            )
        return f"SET LOCAL hnsw.ef_search = {self.ef_search};{farther}{_FORCE}"


LITTLE_FARTHER = Walk(100, 100, 75)
# Measured on clustered slices, patients of up to 600 among them (docs/search.md).
WALKS = (
    Walk(32, 32, 24),
    Walk(64, 64, 48),
    LITTLE_FARTHER,
    Walk(400, 400, 300),
    Walk(2000, 400, 1000),
    Walk(8000, 1000, 4000),
)
# Where rows are left out, or of several only the nearest counts, more must be seen than are wanted.
_SEEN = {"none": 4, "series": 20, "patient": 40}


def first_walk(question: Question) -> Walk:
    """The walk that is likely to do, if little stands in the way; a longer one may follow."""
    ranks = question.page.rank_before + question.page.k
    trusted = 2 * ranks
    if question.has_conditions or question.collapse != "none":
        trusted = max(_SEEN[question.collapse] * ranks, WALKS[1].trusted)
    elif question.target.itself is None:
        # What lies beside the gallery's slices is lost by the shortest walk, now and then.
        trusted = max(trusted, WALKS[1].trusted)
    return next((way for way in WALKS if way.trusted >= trusted), WALKS[-1])


@dataclass(frozen=True)
class Walked:
    """What a walk came to: the rows asked for, or None where it cannot vouch for them.

    `rows_walked` are all it saw, `needed` how many it probably takes to find what is wanted. One
    that `is_astray` came down far from where it should have, and so would a longer one.
    """

    rows: Sequence[Any] | None
    way: Walk
    rows_walked: int
    needed: float
    is_astray: bool = False


def walk(connection: Connection, question: Question, way: Walk) -> Walked:
    """Look for the rows asked for among those that the index holds for the nearest.

    What follows in the transaction is planned as if there had been no walk.
    """
    statement, values = walk_statement(question), bound_by(question, way)
    rows = fetch_prepared(connection, statement, values, way.settings)
    _plan_as_usual(connection)
    return judged(rows, question, way)


def bound_by(question: Question, way: Walk) -> dict[str, Any]:
    """What a statement that walks binds."""
    return question.values | {"walk": way.rows, "fetch": _fetched(question)}


def judged(rows: Sequence[Any], question: Question, way: Walk) -> Walked:
    """Whether what a walk came back with is to be relied on."""
    whole = rows[0]
    if question.target.itself is not None and not whole.found_self:
        # Either the index lost it or it was deleted a moment ago, and distances from it are null.
        return Walked(None, way, whole.walked, inf)
    if whole.astray:
        return Walked(None, way, whole.walked, inf, is_astray=True)
    rows = [row for row in rows if row.sop_instance_uid is not None]
    found = ranked(rows, question, is_all=len(rows) < _fetched(question))
    if len(found) < question.page.k:
        share = whole.passing / question.page.wanted
        return Walked(None, way, whole.walked, ceil(whole.walked / share) if share else inf)
    place = whole.place
    # Rows that were deleted a moment ago stand in the index still, and take places in a walk.
    if place > way.trusted * min(1.0, whole.walked / way.rows):
        return Walked(None, way, whole.walked, place)
    return Walked(found, way, whole.walked, place)


def _fetched(question: Question) -> int:
    """One more tells whether others are as far away; one may be where the page before ended."""
    return question.page.wanted + (1 if question.page.position is None else 2)


def _plan_as_usual(connection: Connection) -> None:
    with closing(connection.connection.cursor()) as cursor:  # a third of the time of the longer way
        try:
            cursor.execute(_RESET)
        except psycopg2.Error as error:
            # Callers know one sign of a database that is away.
            raise OperationalError(_RESET, None, error) from None
