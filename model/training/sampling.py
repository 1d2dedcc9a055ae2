"""Which training slices an epoch shows: draws only."""

import numpy as np
from numpy.typing import NDArray

from model.training.config import SamplingConfig


class BatchSampler:
    """Draws batches of groups and slices, with labels and groups evened as configured.

    `labels` and `groups` are (N,) int64. A group that carries two labels counts once for each.
    """

    def __init__(
        self, labels: NDArray[np.int64], groups: NDArray[np.int64], config: SamplingConfig
    ) -> None:
        self.config = config
        pairs = np.stack((labels, groups), axis=1)
        kinds, self._cluster_of = np.unique(pairs, axis=0, return_inverse=True)
        order = np.argsort(self._cluster_of, kind="stable")
        sizes = np.bincount(self._cluster_of)
        self._members = np.split(order, np.cumsum(sizes)[:-1])
        self._weights = _cluster_weights(kinds[:, 0], sizes, config)

    @property
    def steps(self) -> int:
        """Batches of an epoch: as many as fit the set, at least one."""
        return max(1, len(self._cluster_of) // self.config.batch_size)

    def epoch(self, seed: int, epoch: int) -> list[NDArray[np.int64]]:
        """The batches of one epoch, indices of (batch_size,) each.

        Seed and epoch alone fix them, so a resumed run sees what an uninterrupted one sees.
        """
        random = np.random.default_rng((seed, epoch))
        return [self._batch(random) for _ in range(self.steps)]

    def _batch(self, random: np.random.Generator) -> NDArray[np.int64]:
        each = self.config.slices_per_group
        count = -(-self.config.batch_size // each)
        drawn = random.choice(len(self._members), size=count, p=self._weights)
        slices = [
            random.choice(self._members[n], size=each, replace=len(self._members[n]) < each)
            for n in drawn
        ]
        return np.concatenate(slices)[: self.config.batch_size]


def _cluster_weights(
    labels: NDArray[np.int64], sizes: NDArray[np.int64], config: SamplingConfig
) -> NDArray[np.float64]:
    """Probability of drawing each cluster (one label's slices of one group), summing to 1."""
    _, label_at = np.unique(labels, return_inverse=True)
    within = sizes ** (1.0 - config.group_balance)
    within = within / np.bincount(label_at, weights=within)[label_at]
    shares = np.bincount(label_at, weights=sizes) ** (1.0 - config.class_balance)
    weights: NDArray[np.float64] = within * (shares / shares.sum())[label_at]
    return weights
