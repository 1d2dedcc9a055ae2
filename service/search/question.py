"""One search as the ways of searching get it: checked, and with its conditions as SQL."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from service.db.vectors import format_vector
from service.encoders.registry import ActiveEncoder
from service.errors import InvalidParameter
from service.search.conditions import Conditions, conditions_of
from service.search.filters import Filters
from service.search.found import Position
from service.search.target import Target

MAXIMUM_RANK = 500
Collapse = Literal["none", "series", "patient"]


@dataclass(frozen=True)
class Page:
    """Which rows are wanted: the k after the first `offset`, or after a `position`."""

    k: int
    offset: int = 0
    position: Position | None = None

    @property
    def wanted(self) -> int:
        """How many rows must be ranked for k to be left."""
        return self.k + self.offset

    @property
    def rank_before(self) -> int:
        """The rank after which the page's begin."""
        return self.offset if self.position is None else self.position.rank

    def check(self) -> None:
        """Refuse what lies beyond the ranks that can be asked for.

        Raises:
            InvalidParameter: and says which can.
        """
        if self.k < 1 or self.offset < 0 or self.rank_before + self.k > MAXIMUM_RANK:
            raise InvalidParameter(
                f"k must be at least 1, and no rank beyond {MAXIMUM_RANK} can be asked for."
            )


@dataclass(frozen=True)
class Question:
    """One search; `conditions` are those of its filters, and of whom it leaves out."""

    encoder: ActiveEncoder
    target: Target
    conditions: Conditions
    collapse: Collapse
    page: Page

    @property
    def has_conditions(self) -> bool:
        """Whether more than the query's own slice is left out."""
        own = 0 if self.target.slice is None else 1
        return len(self.conditions.own) > own or bool(self.conditions.of_series)

    @property
    def unconditional(self) -> "Question":
        """The same of all rows."""
        return replace(self, conditions=Conditions((), (), {}))

    @property
    def point(self) -> str:
        """The query's coordinates, as SQL."""
        if self.target.slice is None:
            return f"CAST(:coordinates AS vector({self.encoder.dimension}))"
        return (
            f"(SELECT q.coordinates FROM {self.encoder.partition} q WHERE q.encoder_id = "
            f"{self.encoder.encoder_id} AND q.instance_id = :instance_id AND q.frame = :frame)"
        )

    @property
    def values(self) -> dict[str, Any]:
        """All that statements may bind."""
        values = dict(self.conditions.values)
        if self.target.coordinates is not None:
            values["coordinates"] = format_vector(self.target.coordinates)
        if self.target.itself is not None:
            values["instance_id"], values["frame"] = self.target.itself
        if self.page.position is not None:
            values["since"] = self.page.position.distance
        return values


def ask(
    encoder: ActiveEncoder,
    target: Target,
    filters: Filters,
    *,
    page: Page,
    same_patient: bool,
    collapse: Collapse,
) -> Question:
    """A question that can be answered.

    Raises:
        InvalidParameter: its ranks are out of range, or the filters contradict themselves.
        ValueError: the target's coordinates are not of the encoder's dimension.
    """
    page.check()
    filters.check()
    if target.coordinates is not None and target.coordinates.shape != (encoder.dimension,):
        raise ValueError(f"{target.coordinates.shape} coordinates, not {encoder.dimension}")
    conditions = conditions_of(target, filters, same_patient=same_patient)
    return Question(encoder, target, conditions, collapse, page)
