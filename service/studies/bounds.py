"""What a study's score is at least, from what the candidates' search has seen. Numbers only.

The threshold algorithm (Fagin, Lotem and Naor 2003) on slices: a list of a slice's nearest that
ends at distance r proves that whatever is not in it is at least r away.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from service.studies.interaction import Floats, distances, score_at_least


class Bounds:
    """Lower bounds of scores, from lists of the nearest slices of some of the query's.

    `sent` are places in `query` (n, D) of the slices whose lists are known. A slice that was not
    sent borrows the bound of the nearest one that was, less the distance between the two (triangle
    inequality).
    """

    def __init__(self, query: NDArray[np.float32], sent: NDArray[np.int64]) -> None:
        between = distances(query, query[sent])
        self._lender = between.argmin(axis=1)
        self._detour = between[np.arange(len(query)), self._lender]
        # A slice that was sent borrows from itself, without rounding's detour.
        self._detour[sent] = 0.0
        self._lender[sent] = np.arange(len(sent))
        self._reach = np.zeros(len(sent))
        self._seen: dict[int, dict[int, float]] = {}

    def note(self, number: int, found: Mapping[int, float], reach: float) -> None:
        """The list of sent slice `number`: the least distance of each study in it, and its end.

        `reach` is infinite where the list holds all that there is. A longer list replaces a
        shorter one.
        """
        self._reach[number] = reach
        for unit, distance in found.items():
            self._seen.setdefault(unit, {})[number] = distance

    @property
    def seen(self) -> tuple[int, ...]:
        """All studies of which any list told."""
        return tuple(self._seen)

    @property
    def unseen(self) -> float:
        """What the score of a study that no list holds is at least."""
        return float(self._score(self._reach[None])[0])

    def of(self, units: Iterable[int]) -> Floats:
        """What the scores of `units` are at least."""
        known = np.array([self._distances(unit) for unit in units]).reshape(-1, len(self._reach))
        return self._score(known)

    def _distances(self, unit: int) -> Floats:
        # A list that holds all slices and lacks this study was made a moment before it came.
        row = np.where(np.isinf(self._reach), 0.0, self._reach)
        for number, distance in self._seen.get(unit, {}).items():
            row[number] = distance
        return row

    def _score(self, sent: Floats) -> Floats:
        return score_at_least(np.maximum(sent[:, self._lender] - self._detour, 0))
