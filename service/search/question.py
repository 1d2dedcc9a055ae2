"""One search as the ways of searching get it: checked, and with its conditions as SQL."""

from dataclasses import dataclass
from typing import Any, Literal

from service.db.vectors import format_vector
from service.encoders import ActiveEncoder
from service.errors import InvalidParameter
from service.search.conditions import Conditions, conditions_of
from service.search.filters import Filters
from service.search.found import Position
from service.search.target import Target

MAXIMUM_RANK = 500
Collapse = Literal["none", "series", "patient"]


@dataclass(frozen=True)
class Question:
    """Which k rows are wanted: those after `offset`, or those after a `position`."""

    encoder: ActiveEncoder
    target: Target
    conditions: Conditions
    collapse: Collapse
    k: int
    offset: int
    position: Position | None

    @property
    def wanted(self) -> int:
        """How many rows must be ranked for k to be left."""
        return self.k + self.offset

    @property
    def rank_before(self) -> int:
        """The rank after which the answer's begin."""
        return self.offset if self.position is None else self.position.rank

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
        if self.position is not None:
            values["since"] = self.position.distance
        return values


def ask(
    encoder: ActiveEncoder,
    target: Target,
    filters: Filters,
    *,
    k: int,
    offset: int,
    position: Position | None,
    same_patient: bool,
    collapse: Collapse,
) -> Question:
    """A question within the first 500 ranks.

    Raises:
        InvalidParameter: k or offset is out of range, or the filters contradict themselves.
        ValueError: the target's coordinates are not of the encoder's dimension.
    """
    begins = offset if position is None else position.rank
    if k < 1 or offset < 0 or begins + k > MAXIMUM_RANK:
        raise InvalidParameter(
            f"k must be at least 1, and no rank beyond {MAXIMUM_RANK} can be asked for."
        )
    if target.coordinates is not None and target.coordinates.shape != (encoder.dimension,):
        raise ValueError(f"{target.coordinates.shape} coordinates, not {encoder.dimension}")
    filters.check()
    conditions = conditions_of(target, filters, same_patient=same_patient)
    return Question(encoder, target, conditions, collapse, k, offset, position)
