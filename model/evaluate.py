"""How well a ranking finds slices of the query's label, in plain NumPy.

It scores any vectors alike, so the network and the raw-pixel baseline go through the same code.
It neither embeds nor reads files.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.dataset import Dataset

Vectors = NDArray[np.float32] | NDArray[np.float64]

_QUERIES_AT_ONCE = 256


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
    """Rank the whole gallery for every query by Euclidean distance and score the ranking.

    `queries` is (N, D), `gallery` (M, D); distances are float64 and ties keep the gallery's order.
    Average precision runs over the whole ranking (no cut); queries whose label the gallery lacks
    are left out. Raises ValueError if no query is left.
    """
    usable = np.isin(query_labels, gallery_labels)
    if not usable.any():
        raise ValueError("the gallery holds no label of any query")
    queries, query_labels = queries[usable], query_labels[usable]
    parts = []
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        part = slice(start, start + _QUERIES_AT_ONCE)
        order = np.argsort(_squared_distances(queries[part], gallery), axis=1, kind="stable")
        parts.append(_score_ranking(gallery_labels[order] == query_labels[part, None], ks))
    return _summarise(np.concatenate(parts), query_labels, ks)


def _squared_distances(queries: Vectors, gallery: Vectors) -> NDArray[np.float64]:
    """(N, M) squared Euclidean distances."""
    q, g = queries.astype(np.float64), gallery.astype(np.float64)
    squares: NDArray[np.float64] = (q**2).sum(1)[:, None] + (g**2).sum(1) - 2 * (q @ g.T)
    return squares


def _score_ranking(hits: NDArray[np.bool_], ks: tuple[int, ...]) -> NDArray[np.float64]:
    """Average precision and P@k of each row of (N, M) hits in rank order, (N, 1 + len(ks))."""
    found = np.cumsum(hits, axis=1)
    precision = found / np.arange(1, hits.shape[1] + 1)
    average = (precision * hits).sum(axis=1) / found[:, -1]
    at_k = [hits[:, :k].sum(axis=1) / k for k in ks]
    return np.stack([average, *at_k], axis=1)


def _summarise(
    figures: NDArray[np.float64], labels: NDArray[np.int64], ks: tuple[int, ...]
) -> RetrievalScores:
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


def score_labels(
    queries: Vectors,
    query_set: Dataset,
    gallery: Vectors,
    gallery_set: Dataset,
    label_names: Collection[str],
) -> RetrievalScores:
    """`score` with queries and gallery narrowed to some labels, say those of one modality."""
    chosen = [n for n, name in enumerate(query_set.label_names) if name in label_names]
    asked, kept = np.isin(query_set.labels, chosen), np.isin(gallery_set.labels, chosen)
    return score(queries[asked], query_set.labels[asked], gallery[kept], gallery_set.labels[kept])


def raw_pixels(images: NDArray[np.float32], side: int = 32) -> NDArray[np.float32]:
    """The baseline: prepared images (N, S, S) averaged down to (N, side * side) pixels.

    Raises ValueError if S is no multiple of `side`.
    """
    count, size = len(images), images.shape[-1]
    if size % side:
        raise ValueError(f"{size} pixels do not divide into {side}")
    blocks = images.reshape(count, side, size // side, side, size // side)
    pixels: NDArray[np.float32] = blocks.mean(axis=(2, 4)).reshape(count, side * side)
    return pixels
