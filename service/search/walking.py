"""The approximate way: walks the HNSW index, and says when its answer is not to be relied on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from service.search.question import Question
from service.search.ranking import ranked
from service.search.statements import walk_statement

_SPARE = 16


@dataclass(frozen=True)
class Walk:
    """How far to walk: so many rows, of which the nearest `trusted` are sure to lack none.

    A walk looks for the nearest rows of all, whatever they are, and the filters choose among these.
    So a filter cannot lead it astray; it can only leave too few of the trusted ones.
    """

    rows: int
    ef_search: int
    trusted: int

    @property
    def settings(self) -> str:
        """What makes PostgreSQL walk so far, and nothing else, until the transaction ends."""
        return (
            f"SET LOCAL hnsw.ef_search = {self.ef_search};"
            f"SET LOCAL hnsw.iterative_scan = "
            f"{'relaxed_order' if self.rows > self.ef_search else 'off'};"
            f"SET LOCAL hnsw.max_scan_tuples = {2 * self.rows};"
            "SET LOCAL hnsw.scan_mem_multiplier = 16;"
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;"
        )


SHORT = Walk(rows=400, ef_search=400, trusted=200)
LONG = Walk(rows=4000, ef_search=1000, trusted=2000)
_RESET = "RESET enable_seqscan; RESET enable_bitmapscan"


def walk(
    connection: Connection, question: Question, way: Walk
) -> Sequence[Row[*tuple[Any, ...]]] | None:
    """The rows asked for, or None where the walk cannot vouch for them."""
    fetch = question.wanted + _SPARE
    values = question.values | {"walk": way.rows, "fetch": fetch}
    statement = text(way.settings + walk_statement(question))
    rows = connection.execute(statement, values).all()
    connection.exec_driver_sql(_RESET)
    found = ranked(rows, question, is_all=len(rows) < fetch)
    if len(found) < question.k:
        return None
    last = found[-1]
    is_lost = question.target.slice is not None and not last.found_self
    return None if is_lost or last.place > way.trusted else found
