"""The nearest studies or series without scoring all: candidates by their slices, then a proof.

Some of the query's slices look for their nearest slices. What their lists tell bounds every study's
score from below; studies are scored in the order of that bound until it passes the k-th best score.
If the bound of a study that no list holds has passed it, too, nothing can be missing. Otherwise the
answer says that it is not proven: longer lists cost much and seldom prove more.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from service.encoders.registry import ActiveEncoder
from service.search.filters import Filters
from service.search.found import Neighbour, Position
from service.search.nearest import MAXIMUM_RANK, nearest
from service.search.target import Target
from service.studies.bounds import Bounds
from service.studies.scope import Scope
from service.studies.scoring import Scored, best, score_units
from service.studies.subject import Subject
from service.studies.varied import varied

SLICES_SENT = 16
DEPTH = 100
MOST_SCORED = 400
# Pictures that are the same lie equally near, and a list goes on to the end of such a row.
_MOST_LISTED = MAXIMUM_RANK
_AT_ONCE = 40
# Distances found by PostgreSQL and by NumPy differ by rounding.
_ROUNDING = 1e-5


def _ends_among_equals(found: list[Neighbour]) -> bool:
    return found[-1].distance - found[-2].distance <= _ROUNDING


@dataclass(frozen=True)
class Wanted:
    """How many are wanted of what, and which patients' slices are looked at."""

    scope: Scope
    filters: Filters
    k: int
    same_patient: bool
    one_per_patient: bool


@dataclass
class Candidates:
    """A search under way; `run` it once, then `nearest` and the counts tell of it."""

    connection: Connection
    encoder: ActiveEncoder
    subject: Subject
    wanted: Wanted
    sent: int = 0
    seen: int = 0
    _scored: dict[int, Scored] = field(default_factory=dict)

    def run(self) -> bool:
        """Look for the nearest; whether they are proven to be the nearest of all."""
        sent = varied(self.subject.coordinates, SLICES_SENT)
        bounds = Bounds(self.subject.coordinates, sent)
        self.sent = len(sent)
        found = [self._list(bounds, number, int(place)) for number, place in enumerate(sent)]
        self.seen = len(bounds.seen)
        return self._score(bounds) and all(found)

    @property
    def nearest(self) -> list[Scored]:
        """The best of what was scored."""
        wanted = self.wanted
        return best(self._scored.values(), wanted.k, one_per_patient=wanted.one_per_patient)

    @property
    def scored(self) -> int:
        """How many were scored."""
        return len(self._scored)

    @property
    def slices(self) -> int:
        """How many slices those have."""
        return sum(one.slices for one in self._scored.values())

    def _list(self, bounds: Bounds, number: int, place: int) -> bool:
        """Tell `bounds` the nearest slices of one of the query's; whether the list is whole."""
        patient_key = self.subject.patient_key(place)
        target = Target(
            coordinates=self.subject.coordinates[place],
            patient_key=patient_key,
            own=self.subject.own(place),
        )
        # One more tells whether the list would end among equals.
        found, is_all, is_whole = self._nearest(target, min(DEPTH + 1, _MOST_LISTED))
        while not is_all and len(found) < _MOST_LISTED and _ends_among_equals(found):
            count = min(DEPTH, _MOST_LISTED - len(found))
            more, is_all, is_found = self._nearest(target, count, found[-1].position)
            found, is_whole = found + more, is_whole and is_found
        least: dict[int, float] = {}
        for one in found:
            key = one.study_id if self.wanted.scope.unit == "study" else one.series_id
            least.setdefault(key, one.distance)
        bounds.note(number, least, float("inf") if is_all else found[-1].distance)
        return is_whole

    def _nearest(
        self, target: Target, count: int, after: Position | None = None
    ) -> tuple[list[Neighbour], bool, bool]:
        """So many neighbours after a place, whether they are the last, and whether none lacks."""
        found = nearest(
            self.connection,
            self.encoder,
            target,
            self.wanted.filters,
            k=count,
            after=after,
            same_patient=self.wanted.same_patient,
        )
        return found.neighbours, len(found.neighbours) < count, found.complete

    def _score(self, bounds: Bounds) -> bool:
        """Score the candidates that may be among the nearest; whether no other study can be."""
        waiting = list(bounds.seen)
        least = dict(zip(waiting, bounds.of(waiting), strict=True))
        waiting.sort(key=lambda unit: (least[unit], unit))
        for start in range(0, len(waiting), _AT_ONCE):
            if least[waiting[start]] > self._last() + _ROUNDING:
                break
            if start >= MOST_SCORED:
                return False
            units = waiting[start : start + _AT_ONCE]
            scope = self.wanted.scope
            found = score_units(self.connection, self.encoder, self.subject, scope, units)
            self._scored |= {one.key: one for one in found}
        return bounds.unseen >= self._last() - _ROUNDING

    def _last(self) -> float:
        """The k-th best score; infinite as long as there are fewer."""
        found = self.nearest
        return found[-1].score if len(found) == self.wanted.k else float("inf")
