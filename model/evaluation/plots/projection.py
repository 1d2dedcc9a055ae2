"""Vectors in two dimensions: principal components, then exact t-SNE (van der Maaten 2008).

Plain and quadratic in the number of vectors: a few thousand take seconds to a minute. For looking
at, never for figures: distances between far clusters mean nothing in it.
"""

import numpy as np
from numpy.typing import NDArray

from model.evaluation.ranking import Vectors

Floats = NDArray[np.float64]

_COMPONENTS = 50
_EXAGGERATION, _EXAGGERATED_STEPS = 12.0, 100
_TINY = 1e-12


def principal_components(vectors: Vectors, count: int) -> Floats:
    """(N, count) coordinates along the directions of largest variance; fewer where D is smaller."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    found: Floats = (left * sizes)[:, :count]
    return found


def t_sne(vectors: Vectors, *, perplexity: float = 30.0, steps: int = 350) -> Floats:
    """(N, 2) places where near vectors lie near; the same vectors always give the same picture."""
    reduced = principal_components(vectors, _COMPONENTS)
    if len(reduced) < 4:
        return _plane(reduced)
    wanted = _affinities(_distances(reduced), min(perplexity, (len(reduced) - 1) / 3))
    places: Floats = _plane(reduced)
    places = places / max(places.std(), _TINY) * 1e-2
    speed, gains = np.zeros_like(places), np.ones_like(places)
    rate = max(10.0, len(places) / _EXAGGERATION / 4)
    for step in range(steps):
        early = step < _EXAGGERATED_STEPS
        slope = _gradient(places, wanted * _EXAGGERATION if early else wanted)
        agree = np.sign(slope) == np.sign(speed)
        gains = np.maximum(0.01, np.where(agree, gains * 0.8, gains + 0.2))
        speed = (0.5 if early else 0.8) * speed - rate * gains * slope
        places = places + speed
        places -= places.mean(axis=0)
    return places


def _plane(points: Floats) -> Floats:
    """The first two columns, zero where there are fewer."""
    padded: Floats = np.pad(points, ((0, 0), (0, 2)))[:, :2]
    return padded


def _distances(points: Floats) -> Floats:
    """(N, N) squared distances, never negative."""
    squares = (points**2).sum(axis=1)
    apart: Floats = np.maximum(squares[:, None] + squares - 2 * (points @ points.T), 0)
    np.fill_diagonal(apart, 0)
    return apart


def _affinities(apart: Floats, perplexity: float) -> Floats:
    """Symmetric neighbourhoods, each row's width found by bisection so that its perplexity fits."""
    count = len(apart)
    others = ~np.eye(count, dtype=np.bool_)
    nearest = np.min(apart, axis=1, where=others, initial=np.inf)[:, None]
    near = np.maximum(apart - nearest, 0)
    typical = np.maximum(near.mean(axis=1), _TINY)
    low, high = np.full(count, -20.0), np.full(count, 30.0)  # of the precision's logarithm
    for _ in range(40):
        middle = (low + high) / 2
        weights = np.exp(-near * (np.exp(middle) / typical)[:, None]) * others
        shares = weights / weights.sum(axis=1, keepdims=True)
        entropy = -(shares * np.log(np.maximum(shares, _TINY))).sum(axis=1)
        too_wide = entropy > np.log(perplexity)
        low, high = np.where(too_wide, middle, low), np.where(too_wide, high, middle)
    joint: Floats = (shares + shares.T) / (2 * count)
    return joint


def _gradient(places: Floats, wanted: Floats) -> Floats:
    """Of the Kullback-Leibler divergence, with Student's t of one degree of freedom."""
    closeness = 1 / (1 + _distances(places))
    np.fill_diagonal(closeness, 0)
    pull = (wanted - closeness / closeness.sum()) * closeness
    slope: Floats = 4 * (pull.sum(axis=1)[:, None] * places - pull @ places)
    return slope
