"""Which training slices an epoch shows, and how fast it learns: draws and schedules only."""

import math

import numpy as np
from numpy.typing import NDArray


def slice_weights(
    labels: NDArray[np.int64], groups: NDArray[np.int64], balance: float
) -> NDArray[np.float64]:
    """Probability of drawing each slice, (N,), summing to 1.

    A label of n slices gets a share in proportion to n ** (1 - balance): 1 shows all labels
    equally often, 0 as often as they are. Within a label, a group of m slices counts sqrt(m)
    times, because slices of one patient resemble each other.
    """
    _, label_at, label_sizes = np.unique(labels, return_inverse=True, return_counts=True)
    _, group_at, group_sizes = np.unique(groups, return_inverse=True, return_counts=True)
    within = 1 / np.sqrt(group_sizes[group_at])
    totals = np.bincount(label_at, weights=within)
    shares = label_sizes ** (1.0 - balance)
    weights: NDArray[np.float64] = within / totals[label_at] * (shares / shares.sum())[label_at]
    return weights


def epoch_batches(
    weights: NDArray[np.float64], batch_size: int, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """Indices of the batches of one epoch, as many as fit the set, drawn with replacement.

    Seed and epoch alone fix them, so a resumed run sees what an uninterrupted one sees.
    """
    steps = max(1, len(weights) // batch_size)
    draws = np.random.default_rng((seed, epoch)).choice(
        len(weights), size=(steps, batch_size), p=weights
    )
    return list(draws)


def one_cycle(step: int, total_steps: int, peak: float, warm_up: float = 0.25) -> float:
    """Learning rate at a step: a straight climb to the peak, then half a cosine to zero."""
    climb = max(1, round(total_steps * warm_up))
    if step < climb:
        return peak * (step + 1) / climb
    progress = (step - climb) / max(1, total_steps - climb)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))
