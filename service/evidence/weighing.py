"""How much each neighbour's vote weighs. Arithmetic only: it knows neither slices nor patients.

Votes fall off with distance as softmax does, and one seat more stands empty, always at the same
distance. What falls to it is withheld: far neighbours convince less than near ones, however much
they agree among themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# As if every label had so many patients more: three patients of a rare label are no steady prior.
_STEADYING = 10.0

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Weighing:
    """`temperature` divides squared distances; `seat_distance` is where the empty seat stands."""

    temperature: float
    seat_distance: float


def weigh(distances: Numbers, balance: Numbers, weighing: Weighing) -> tuple[Numbers, Numbers]:
    """Weights (..., n) of votes at `distances` (..., n), and what is withheld (...).

    Each vote counts `balance` (..., n) times. Where the distance is infinite there is no vote, and
    its weight is 0. The weights and what is withheld sum to 1.
    """
    heights = -np.square(distances) / weighing.temperature + np.log(balance)
    seat = np.full((*heights.shape[:-1], 1), -(weighing.seat_distance**2) / weighing.temperature)
    heights = np.concatenate([heights, seat], axis=-1)
    shares = np.exp(heights - heights.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    return shares[..., :-1], shares[..., -1]


def balance_of(labels: Sequence[str], patients: Mapping[str, int]) -> float:
    """How often a vote with these labels counts, so that a frequent label gains nothing by that.

    `patients` is how many patients of the gallery have each label. The average label counts once; a
    vote of several labels counts as the mean of them.
    """
    if not patients or not labels:
        return 1.0
    usual = float(np.mean([count + _STEADYING for count in patients.values()]))
    return float(np.mean([usual / (patients.get(label, 0) + _STEADYING) for label in labels]))
