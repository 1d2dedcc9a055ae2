"""Which slices of a study are sent to look for candidates, when it has more than can be sent."""

import numpy as np
from numpy.typing import NDArray

from service.studies.interaction import distances


def varied(coordinates: NDArray[np.float32], most: int) -> NDArray[np.int64]:
    """At most `most` places of (n, D), so that every slice has one of them near by.

    The farthest-point rule, from the slice nearest to the mean: the largest distance left over is
    at most twice the least possible (Gonzalez 1985). Slices equal to one already chosen are not
    sent twice. Through a series, whose coordinates change along it, these lie evenly.
    """
    first = int(np.linalg.norm(coordinates - coordinates.mean(axis=0), axis=1).argmin())
    chosen = [first]
    left = distances(coordinates[[first]], coordinates)[0]
    while len(chosen) < min(most, len(coordinates)):
        farthest = int(left.argmax())
        if left[farthest] <= _SAME:
            break
        chosen.append(farthest)
        left = np.minimum(left, distances(coordinates[[farthest]], coordinates)[0])
    return np.array(chosen, np.int64)


# Coordinates of equal pictures differ by rounding.
_SAME = 1e-5
