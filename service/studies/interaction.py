"""Late interaction: how far one set of slices is from another. Numbers only, no database.

Each slice of the query looks for its nearest slice of the other set (MaxSim, as ColBERT does with
words: Khattab and Zaharia, SIGIR 2020), and each of the other set for its nearest of the query. The
greater of the two means is the score: the modified Hausdorff distance of Dubuisson and Jain (ICPR
1994). docs/studies.md tells what it was measured against.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Interaction:
    """Of each of n query slices, the nearest of m others: `place` and `distance`, both (n,).

    `back` (m,) is how far each of the others is from the query's nearest.
    """

    place: NDArray[np.int64]
    distance: Floats
    back: Floats

    @property
    def score(self) -> float:
        """The mean distance, on the longer way; 0 where both sets hold the same slices."""
        return score_of(float(self.distance.mean()), float(self.back.mean()))


def interact(query: NDArray[np.float32], others: NDArray[np.float32]) -> Interaction:
    """The interaction of coordinates (n, D) with others (m, D); neither is empty.

    The order of neither matters, but for which of equally near slices is named.
    """
    between = distances(query, others)
    place = between.argmin(axis=1)
    nearest = between[np.arange(len(between)), place]
    return Interaction(place, nearest, between.min(axis=0))


def distances(query: NDArray[np.float32], others: NDArray[np.float32]) -> Floats:
    """Euclidean distances, (n, m)."""
    # In float32 the differences of near slices would drown in rounding.
    one, other = query.astype(np.float64), others.astype(np.float64)
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    found: Floats = np.sqrt(np.maximum(squares, 0))
    return found


def score_of(there: float, back: float) -> float:
    """The score from mean distances: of the query's slices to the others, and of those back."""
    return max(there, back)


def score_at_least(nearest: Floats) -> Floats:
    """What scores are at least, from lower bounds (…, n) of the query's slices' distances.

    No score is less than the way there.
    """
    found: Floats = nearest.mean(axis=-1)
    return found
