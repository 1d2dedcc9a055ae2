"""How far explanations can be believed: do they point at the lesion, do they name what counts?

Measured on queries and their nearest neighbours that were matched correctly: both slices have the
same label and a lesion box. What is drawn or printed of it is not decided here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.dataset import Dataset
from model.errors import EvaluationError
from model.evaluation.bootstrap import intervals, resample
from model.evaluation.deletion import Embed, deletion_areas, random_maps
from model.evaluation.facts import Slices
from model.evaluation.ranking import rank
from model.explanation.explainer import PairExplanation

DILATION = 0.1  # of the box's width and height, half of it on each side
_RANDOM_MAPS = 3

Picture = NDArray[np.float32]
Explain = Callable[[Picture, Picture], PairExplanation]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Estimate:
    """A mean over pairs with its 95 % interval over the queries' groups."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Faithfulness:
    """Figures of one encoder's explanations.

    The pointing game asks whether a slice's hottest pixel is inside its lesion's box; by chance it
    would be one of the head's pixels. The deletion test is the mean similarity while the query's
    hottest pixels go; `advantage` is how much lower it is than with random maps.
    """

    matched: int
    asked: int
    groups: int
    points_in_query: Estimate
    points_in_neighbour: Estimate
    points_by_chance: float
    points_by_label: Mapping[str, float]
    deletion: Estimate
    random_deletion: Estimate
    advantage: Estimate


def matched_pairs(
    dataset: Dataset,
    vectors: NDArray[np.float32],
    queries: NDArray[np.int64],
    gallery: NDArray[np.int64],
) -> NDArray[np.int64]:
    """(P, 2) slices: queries with a lesion box and their nearest, if it has the label and a box.

    `queries` and `gallery` index the data set, `vectors` (N, D) are all its coordinates. Raises
    EvaluationError if there is none.
    """
    boxed: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(dataset.lesions), axis=1)
    queries = queries[boxed[queries]]
    if not len(queries) or not len(gallery):
        raise EvaluationError("there is no query with a lesion box, or nothing to search")
    nearest = gallery[rank(vectors[queries], vectors[gallery])[:, 0]]
    correct = (dataset.labels[queries] == dataset.labels[nearest]) & boxed[nearest]
    if not correct.any():
        raise EvaluationError("no query with a lesion box found a neighbour of its label")
    pairs: NDArray[np.int64] = np.stack([queries, nearest], axis=1)[correct]
    return pairs


def measure_faithfulness(
    dataset: Dataset,
    pairs: NDArray[np.int64],
    explain: Explain,
    embed: Embed,
    *,
    asked: int,
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Faithfulness:
    """Explain every pair (P, 2) and measure; `asked` is how many queries there were."""
    random = np.random.default_rng(seed)
    rows = []
    for number, (query, neighbour) in enumerate(pairs.tolist()):
        rows.append(_measure_pair(dataset, query, neighbour, explain, embed, random))
        if progress is not None:
            progress(number + 1, len(pairs))
    values = np.array(rows)
    return _summed_up(dataset, pairs[:, 0], values, asked, resamples, seed)


def _measure_pair(
    dataset: Dataset,
    query: int,
    neighbour: int,
    explain: Explain,
    embed: Embed,
    random: np.random.Generator,
) -> tuple[float, ...]:
    """Points into the query, into the neighbour; by chance; area deleted by heat, at random."""
    picture, other = dataset.images[query], dataset.images[neighbour]
    found = explain(picture, other)
    boxes = dataset.lesions[query], dataset.lesions[neighbour]
    maps = [found.first.heat, *random_maps(_RANDOM_MAPS, len(picture), random)]
    by_heat, *at_random = deletion_areas(picture, embed(other[None])[0], maps, embed).tolist()
    return (
        points_into(found.first.heat, boxes[0]),
        points_into(found.second.heat, boxes[1]),
        float(inside(picture.shape, boxes[0])[picture > 0].mean()) if picture.any() else 0.0,
        by_heat,
        float(np.mean(at_random)),
    )


def points_into(heat: Picture, box: NDArray[np.float32]) -> bool:
    """Whether the hottest pixel of (S, S) lies in a box of shares of the side, dilated."""
    return bool(inside(heat.shape, box).ravel()[np.argmax(heat)])


def inside(shape: tuple[int, ...], box: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The pixels (H, W) with their centres in a box (left, top, right, bottom) of shares."""
    left, top, right, bottom = box.astype(np.float64)
    wider, higher = DILATION / 2 * (right - left), DILATION / 2 * (bottom - top)
    x = (np.arange(shape[1]) + 0.5) / shape[1]
    y = (np.arange(shape[0]) + 0.5) / shape[0]
    across = (x >= left - wider) & (x <= right + wider)
    down = (y >= top - higher) & (y <= bottom + higher)
    found: NDArray[np.bool_] = down[:, None] & across
    return found


def _summed_up(
    dataset: Dataset,
    queries: NDArray[np.int64],
    values: NDArray[np.float64],
    asked: int,
    resamples: int,
    seed: int,
) -> Faithfulness:
    slices = Slices.of(dataset).take(queries)
    columns = np.column_stack([values, values[:, 4] - values[:, 3]])
    means = columns.mean(axis=0)
    bounds = intervals(resample(slices, columns, max(1, resamples), seed).queries)
    estimates = [
        Estimate(float(mean), bound.low, bound.high)
        for mean, bound in zip(means, bounds, strict=True)
    ]
    by_label = {
        slices.label_names[label]: float(values[slices.labels == label, :2].mean())
        for label in np.unique(slices.labels).tolist()
    }
    return Faithfulness(
        matched=len(queries),
        asked=asked,
        groups=len(np.unique(slices.groups)),
        points_in_query=estimates[0],
        points_in_neighbour=estimates[1],
        points_by_chance=estimates[2].value,
        points_by_label=by_label,
        deletion=estimates[3],
        random_deletion=estimates[4],
        advantage=estimates[5],
    )
