"""Figures of every single query, from which means, intervals and plots are made."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.errors import EvaluationError
from model.evaluation.chance import chance
from model.evaluation.facts import Slices, grades
from model.evaluation.measures import MEASURES, Values, measure, precision_at_recall
from model.evaluation.ranking import Vectors, rank

NEIGHBOURS = 5

_CELLS_AT_ONCE = 1 << 21  # of queries x gallery: bounds the memory of one step


@dataclass(frozen=True)
class PerQuery:
    """Q `queries` in order, and the `gallery` they were asked of.

    `values` and `chance` are (Q, len(MEASURES)), `curves` (Q, len(RECALL_LEVELS)), `neighbours`
    (Q, NEIGHBOURS) the nearest slices as indices into the gallery, -1 where it was smaller.
    """

    queries: Slices
    gallery: Slices
    values: Values
    chance: Values
    curves: Values
    neighbours: NDArray[np.int64]

    def of(self, name: str) -> Values:
        """The (Q,) figures of one of MEASURES."""
        return self.values[:, MEASURES.index(name)]


def measure_queries(
    query_vectors: Vectors,
    queries: Slices,
    gallery_vectors: Vectors,
    gallery: Slices,
    *,
    own_group_left_out: bool,
) -> PerQuery:
    """Rank the gallery for every query and measure the rankings.

    With `own_group_left_out` slices of the query's patient or series are not in its gallery. Every
    query needs a slice of its label there. Raises EvaluationError if the vectors do not fit the
    slices or are not finite.
    """
    _check(query_vectors, queries, gallery_vectors, gallery)
    step = max(1, _CELLS_AT_ONCE // len(gallery))
    parts = []
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        asked = queries.take(np.arange(len(queries))[part])
        left_out = np.zeros((len(asked), len(gallery)), np.bool_)
        if own_group_left_out:
            left_out = asked.groups[:, None] == gallery.groups
        parts.append(_measure_part(query_vectors[part], asked, gallery_vectors, gallery, left_out))
    values, by_chance, curves, neighbours = (np.concatenate(c) for c in zip(*parts, strict=True))
    return PerQuery(queries, gallery, values, by_chance, curves, neighbours.astype(np.int64))


def _measure_part(
    query_vectors: Vectors,
    queries: Slices,
    gallery_vectors: Vectors,
    gallery: Slices,
    left_out: NDArray[np.bool_],
) -> tuple[Values, Values, Values, NDArray[np.int64]]:
    relevance = grades(queries, gallery)
    relevance[left_out] = 0
    order = rank(query_vectors, gallery_vectors, left_out)
    ranked = np.take_along_axis(relevance, order, axis=1)
    size = len(gallery) - left_out.sum(axis=1)
    by_chance = chance((relevance > 0).sum(axis=1), (relevance == 2).sum(axis=1), size)
    neighbours = np.full((len(order), NEIGHBOURS), -1)
    first = order[:, :NEIGHBOURS]
    there = np.arange(first.shape[1]) < size[:, None]
    neighbours[:, : first.shape[1]] = np.where(there, first, -1)
    return measure(ranked), by_chance, precision_at_recall(ranked), neighbours


def _check(
    query_vectors: Vectors, queries: Slices, gallery_vectors: Vectors, gallery: Slices
) -> None:
    if (len(query_vectors), len(gallery_vectors)) != (len(queries), len(gallery)):
        raise EvaluationError(
            f"{len(query_vectors)} and {len(gallery_vectors)} vectors do not fit "
            f"{len(queries)} queries and {len(gallery)} gallery slices"
        )
    if query_vectors.ndim != 2 or query_vectors.shape[1:] != gallery_vectors.shape[1:]:
        raise EvaluationError("vectors of queries and gallery have different lengths")
    if not (np.isfinite(query_vectors).all() and np.isfinite(gallery_vectors).all()):
        raise EvaluationError("an embedding holds NaN or infinity")
