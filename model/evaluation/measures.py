"""What a ranking is worth: the paper's precision and recall, mAP and nDCG, in plain NumPy.

Every measure takes (N, M) grades in rank order, one row a query: 0 is not relevant, 1 and 2 are.
It neither ranks (but for `score`) nor averages over queries.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.evaluation.ranking import Vectors, rank

Grades = NDArray[np.int8] | NDArray[np.bool_]
Values = NDArray[np.float64]

PRECISION_AT = (1, 5, 10, 20)
RECALL_AT = (10, 50, 100)
NDCG_AT = 10
MEASURES = (
    "average_precision",
    *(f"precision_at_{k}" for k in PRECISION_AT),
    *(f"recall_at_{k}" for k in RECALL_AT),
    "recall_at_relevant",
    f"ndcg_at_{NDCG_AT}",
)
RECALL_LEVELS = np.linspace(0, 1, 21)

_QUERIES_AT_ONCE = 256


def measure(grades: Grades) -> Values:
    """(N, len(MEASURES)) figures of rankings of a whole gallery, each row with a relevant slice."""
    columns = [
        average_precision(grades),
        *(precision_at(grades, k) for k in PRECISION_AT),
        *(recall_at(grades, k) for k in RECALL_AT),
        recall_at_relevant(grades),
        ndcg_at(grades, NDCG_AT),
    ]
    return np.stack(columns, axis=1)


def precision_at(grades: Grades, k: int) -> Values:
    """Wan et al. 2018, equation (3): relevant slices returned / slices returned, k of them."""
    found: Values = (grades[:, :k] > 0).sum(axis=1) / k
    return found


def recall_at(grades: Grades, k: int) -> Values:
    """Wan et al. 2018, equation (4): relevant slices returned / relevant slices in the gallery."""
    hits = grades > 0
    found: Values = hits[:, :k].sum(axis=1) / hits.sum(axis=1)
    return found


def recall_at_relevant(grades: Grades) -> Values:
    """Recall when as many slices are returned as are relevant; precision is then the same."""
    hits = grades > 0
    relevant = hits.sum(axis=1)
    found = np.take_along_axis(hits.cumsum(axis=1), relevant[:, None] - 1, axis=1)[:, 0]
    shares: Values = found / relevant
    return shares


def average_precision(grades: Grades) -> Values:
    """Mean of the precisions at each relevant slice, over the whole ranking (no cut)."""
    hits = grades > 0
    found = hits.cumsum(axis=1)
    precision = found / np.arange(1, hits.shape[1] + 1)
    average: Values = (precision * hits).sum(axis=1) / found[:, -1]
    return average


def ndcg_at(grades: Grades, k: int) -> Values:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002): gain is the grade.

    The ideal is the best order of the whole gallery of that query.
    """
    ideal = -np.sort(-grades.astype(np.int8), axis=1)[:, :k]
    gain: Values = discounted(grades[:, :k]) / discounted(ideal)
    return gain


def discounted(grades: Grades) -> Values:
    """Sum of grades, each divided by the binary logarithm of its rank + 1."""
    total: Values = grades @ (1 / np.log2(np.arange(2, grades.shape[1] + 2)))
    return total


def precision_at_recall(grades: Grades) -> Values:
    """(N, len(RECALL_LEVELS)) interpolated precision: the best one at that recall or beyond it."""
    hits = grades > 0
    found = hits.cumsum(axis=1)
    precision = found / np.arange(1, hits.shape[1] + 1)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    columns = []
    for level in RECALL_LEVELS:
        # 0.35 * 20 is a hair above 7 in binary: without the hair taken off, it would ask for 8.
        needed = np.maximum(1, np.ceil(level * found[:, -1] - 1e-9))
        rank_of_needed = (found < needed[:, None]).sum(axis=1)
        columns.append(np.take_along_axis(best, rank_of_needed[:, None], axis=1)[:, 0])
    return np.stack(columns, axis=1)


@dataclass(frozen=True)
class RetrievalScores:
    """Retrieval quality of one query set against one gallery; all figures in 0..1.

    `macro_map` is the mean over labels of their mean average precision, `query_map` the mean over
    queries; `macro_precision_at[k]` is the mean over labels of P@k.
    """

    macro_map: float
    query_map: float
    macro_precision_at: Mapping[int, float]
    map_by_label: Mapping[int, float]
    precision_at_by_label: Mapping[int, Mapping[int, float]]


def score(
    queries: Vectors,
    query_labels: NDArray[np.int64],
    gallery: Vectors,
    gallery_labels: NDArray[np.int64],
    ks: tuple[int, ...] = (1, 5, 10),
) -> RetrievalScores:
    """The short form, for training's own validation: labels alone, no intervals, no refusals.

    `queries` is (N, D), `gallery` (M, D). Queries whose label the gallery lacks are left out;
    raises ValueError if none is left.
    """
    usable = np.isin(query_labels, gallery_labels)
    if not usable.any():
        raise ValueError("the gallery holds no label of any query")
    queries, query_labels = queries[usable], query_labels[usable]
    parts = []
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        part = slice(start, start + _QUERIES_AT_ONCE)
        hits = gallery_labels[rank(queries[part], gallery)] == query_labels[part, None]
        columns = [average_precision(hits), *(precision_at(hits, k) for k in ks)]
        parts.append(np.stack(columns, axis=1))
    return _summarise(np.concatenate(parts), query_labels, ks)


def _summarise(figures: Values, labels: NDArray[np.int64], ks: tuple[int, ...]) -> RetrievalScores:
    by_label = {int(label): figures[labels == label].mean(axis=0) for label in np.unique(labels)}
    macro = np.mean(list(by_label.values()), axis=0)
    return RetrievalScores(
        macro_map=float(macro[0]),
        query_map=float(figures[:, 0].mean()),
        macro_precision_at={k: float(macro[1 + n]) for n, k in enumerate(ks)},
        map_by_label={label: float(row[0]) for label, row in by_label.items()},
        precision_at_by_label={
            label: {k: float(row[1 + n]) for n, k in enumerate(ks)}
            for label, row in by_label.items()
        },
    )
