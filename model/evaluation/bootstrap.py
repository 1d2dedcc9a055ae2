"""How far figures would move with other patients: percentile intervals from resampled groups.

Whole patients are drawn, because slices of one patient are no independent witnesses; where the
patient is unknown, whole groups are, and the interval is then too narrow if one person has several.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.errors import EvaluationError
from model.evaluation.facts import Slices
from model.evaluation.measures import MEASURES, Values
from model.evaluation.per_query import PerQuery

_PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class Interval:
    """A 95 % interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Resampled:
    """Figures of B resamples: `labels` (B, L, F) means over queries of each label that occurs.

    `queries` (B, F) are means over all queries. A group that is alone with its labels is in every
    resample exactly once: there are `fixed` of these, and `moves` (L,) is false for labels that
    only they have, whose means are the same in all resamples and tell nothing of other patients.
    """

    labels: Values
    queries: Values
    moves: NDArray[np.bool_]
    fixed: int

    @property
    def macro(self) -> Values:
        """(B, F) means over labels."""
        means: Values = self.labels.mean(axis=1)
        return means


def intervals(samples: Values) -> tuple[Interval, ...]:
    """The 95 % interval of each column of (B, F) samples."""
    low, high = np.percentile(samples, _PERCENTILES, axis=0)
    return tuple(Interval(float(a), float(b)) for a, b in zip(low, high, strict=True))


def resample(slices: Slices, values: Values, resamples: int, seed: int) -> Resampled:
    """Draw the queries' groups with replacement `resamples` times; `values` is (Q, F).

    Groups are drawn among those with the same labels, so that no label vanishes from a resample
    and the macro mean keeps its meaning. The same slices and seed draw the same groups.
    """
    _, cluster = np.unique(slices.groups, return_inverse=True)
    _, label = np.unique(slices.labels, return_inverse=True)
    sums = np.zeros((cluster.max() + 1, label.max() + 1, values.shape[1]))
    sizes = np.zeros(sums.shape[:2])
    np.add.at(sums, (cluster, label), values)
    np.add.at(sizes, (cluster, label), 1)
    kinds = _kinds(sizes > 0)
    drawn = _draw(kinds, resamples, np.random.default_rng(seed))
    drawable = np.bincount(kinds)[kinds] > 1
    total, number = np.tensordot(drawn, sums, 1), drawn @ sizes
    return Resampled(
        labels=total / number[..., None],
        queries=total.sum(axis=1) / number.sum(axis=1)[:, None],
        moves=np.asarray(sizes[drawable].sum(axis=0) > 0),
        fixed=int((~drawable).sum()),
    )


def _kinds(labels_of: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(C,) numbers, equal for groups with the same labels; `labels_of` is (C, L)."""
    _, kinds = np.unique(labels_of, axis=0, return_inverse=True)
    return kinds.reshape(-1).astype(np.int64)


def _draw(
    kinds: NDArray[np.int64], resamples: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """(B, C) how often each group is drawn among those of its kind."""
    drawn = np.zeros((resamples, len(kinds)))
    for number in range(kinds.max() + 1):
        members = np.flatnonzero(kinds == number)
        even = np.full(len(members), 1 / len(members))
        drawn[:, members] = random.multinomial(len(members), even, size=resamples)
    return drawn


@dataclass(frozen=True)
class Difference:
    """How much higher one encoder's macro figure is than another's; an interval without 0 tells.

    There is no interval where no label has groups to draw among.
    """

    measure: str
    value: float
    low: float | None
    high: float | None


def paired_differences(
    one: PerQuery, other: PerQuery, *, resamples: int = 1000, seed: int = 0
) -> dict[str, Difference]:
    """Macro figures of `one` minus those of `other`, by measure.

    Both are resampled alike, query by query, so what is hard for both cancels out. Raises
    EvaluationError if they are not of the same queries.
    """
    for name in ("sop_instance_uids", "labels", "groups"):
        if not np.array_equal(getattr(one.queries, name), getattr(other.queries, name)):
            raise EvaluationError("only figures of the same queries can be compared in pairs")
    apart = one.values - other.values
    _, label = np.unique(one.queries.labels, return_inverse=True)
    value = np.mean([apart[label == n].mean(axis=0) for n in range(label.max() + 1)], axis=0)
    drawn = resample(one.queries, apart, resamples, seed)
    between = intervals(drawn.macro) if drawn.moves.any() else None
    return {
        name: Difference(
            name,
            float(value[n]),
            low=between[n].low if between else None,
            high=between[n].high if between else None,
        )
        for n, name in enumerate(MEASURES)
    }
