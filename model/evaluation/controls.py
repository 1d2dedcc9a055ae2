"""What an encoder must beat, and what must fail: pixels, header facts, shuffled labels."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model.dataset import Dataset
from model.evaluation.facts import Slices

RAW_PIXELS = "raw 32x32 pixels"
METADATA = "metadata only"
SHUFFLED = "shuffled labels"

_FOREGROUND = 0.1  # of the prepared picture's range: what is darker is padding or air
_KIND_WEIGHT = 3.0  # in standard deviations: another modality or plane is far away


def raw_pixels(images: NDArray[np.float32], side: int = 32) -> NDArray[np.float32]:
    """Prepared images (N, S, S) as the means of side x side equal areas, (N, side * side)."""
    shares = _shares(images.shape[-1], side)
    return np.stack([(shares @ image @ shares.T).ravel() for image in images])


def _shares(size: int, side: int) -> NDArray[np.float32]:
    """(side, size): how much of each pixel lies in each of `side` equal stretches of a line."""
    edges = np.arange(side + 1) * size / side
    starts = np.maximum(edges[:-1, None], np.arange(size))
    ends = np.minimum(edges[1:, None], np.arange(size) + 1)
    shares: NDArray[np.float32] = (np.maximum(ends - starts, 0) * side / size).astype(np.float32)
    return shares


def metadata(dataset: Dataset) -> NDArray[np.float64]:
    """What a header and a glance at the histogram tell, (N, D): no shape, no place.

    One column for each modality and each known plane; then, in standard deviations: logarithm of
    the head's height over its width, filled share of the picture, mean and standard deviation of
    the head's brightness.
    """
    facts = Slices.of(dataset)
    kinds = [facts.modalities == name for name in np.unique(facts.modalities)]
    kinds += [facts.planes == plane for plane in np.unique(facts.planes[facts.planes >= 0])]
    looks = np.array([_looks(image) for image in dataset.images])
    spread = looks.std(axis=0)
    looks = (looks - looks.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return np.column_stack([*(_KIND_WEIGHT * kind for kind in kinds), looks])


def _looks(image: NDArray[np.float32]) -> tuple[float, float, float, float]:
    head = image > _FOREGROUND
    if not head.any():
        return (0.0, 0.0, 0.0, 0.0)
    height, width = np.ptp(np.flatnonzero(head.any(1))) + 1, np.ptp(np.flatnonzero(head.any(0))) + 1
    seen = image[head]
    return float(np.log(height / width)), float(head.mean()), float(seen.mean()), float(seen.std())


def answerable(queries: Slices, gallery: Slices) -> NDArray[np.bool_]:
    """(N,) which queries have a slice of their label in another group than their own.

    Shuffled labels may all fall into it; such a query has nothing to find.
    """
    held = {n: set(gallery.groups[gallery.labels == n]) for n in np.unique(queries.labels)}
    pairs = zip(queries.labels, queries.groups, strict=True)
    return np.array([bool(held[label] - {group}) for label, group in pairs], np.bool_)


def shuffled(slices: Slices, seed: int = 0) -> Slices:
    """The same slices with their labels dealt out anew: any vectors must fall to chance."""
    return replace(slices, labels=np.random.default_rng(seed).permutation(slices.labels))
