"""Pages of a ranking: where one begins by its cursor, and the cursor of the next."""

from dataclasses import dataclass
from typing import Any

from service.encoders.registry import ActiveEncoder
from service.errors import InvalidParameter
from service.search.cursor import read_cursor, write_cursor
from service.search.found import Found, Position
from service.search.question import MAXIMUM_RANK


@dataclass(frozen=True)
class Paging:
    """One page: how many rows to look for, and after which; `wanted` may be more than there are."""

    k: int
    after: Position | None
    wanted: int

    @property
    def begun(self) -> int:
        """The rank after which the page's begin."""
        return 0 if self.after is None else self.after.rank

    def next_cursor(
        self, encoder: ActiveEncoder, question: dict[str, Any], found: Found
    ) -> str | None:
        """The token of what follows what was found; None where nothing can."""
        last = self.begun + len(found.neighbours)
        if len(found.neighbours) < self.wanted or last >= MAXIMUM_RANK:
            return None
        return write_cursor(encoder, question, found.neighbours[-1].position)


def page_of(
    encoder: ActiveEncoder, question: dict[str, Any], cursor: str | None, wanted: int
) -> Paging:
    """The page that follows a cursor, or the first.

    Raises:
        InvalidParameter: the cursor is not of this question, or ends at the last rank there is.
        StaleCursor: another encoder is active than when it was given.
    """
    after = None if cursor is None else read_cursor(encoder, question, cursor)
    k = min(wanted, MAXIMUM_RANK - (0 if after is None else after.rank))
    if k < 1:
        raise InvalidParameter(f"No rank beyond {MAXIMUM_RANK} can be asked for.")
    return Paging(k, after, wanted)
