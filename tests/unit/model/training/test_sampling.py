"""Draws and schedules of training."""

from dataclasses import replace

import numpy as np
import pytest

from model.training.config import SamplingConfig
from model.training.sampling import BatchSampler

LABELS = np.array([0] * 90 + [1] * 10)
GROUPS = np.arange(100) // 2
SINGLY = SamplingConfig(batch_size=50, slices_per_group=1, class_balance=0.0, group_balance=0.0)


def drawn(sampler: BatchSampler, epochs: int = 100) -> np.ndarray:
    """How often each slice is drawn in many epochs, as shares."""
    indices = np.concatenate([b for epoch in range(epochs) for b in sampler.epoch(1, epoch)])
    return np.bincount(indices) / len(indices)


@pytest.mark.parametrize(("balance", "share"), [(0.0, 0.1), (0.5, 0.25), (1.0, 0.5)])
def test_balance_moves_a_rare_label_from_its_share_to_an_equal_one(
    balance: float, share: float
) -> None:
    sampler = BatchSampler(LABELS, GROUPS, replace(SINGLY, class_balance=balance))

    assert drawn(sampler)[LABELS == 1].sum() == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(("balance", "ratio"), [(0.0, 9.0), (0.5, 3.0), (1.0, 1.0)])
def test_a_large_group_counts_less_than_its_size(balance: float, ratio: float) -> None:
    groups = np.array([0] * 90 + [1] * 10)
    sampler = BatchSampler(np.zeros(100, int), groups, replace(SINGLY, group_balance=balance))
    shares = drawn(sampler)

    assert shares[:90].sum() / shares[90:].sum() == pytest.approx(ratio, rel=0.1)


def test_slices_of_a_group_come_together_and_not_twice() -> None:
    config = SamplingConfig(batch_size=8, slices_per_group=2)
    for batch in BatchSampler(LABELS, GROUPS, config).epoch(1, 1):
        pairs = batch.reshape(-1, 2)
        assert (GROUPS[pairs[:, 0]] == GROUPS[pairs[:, 1]]).all()
        assert (pairs[:, 0] != pairs[:, 1]).all()


def test_a_group_with_two_labels_gives_slices_of_one_at_a_time() -> None:
    labels, groups = np.arange(40) % 2, np.arange(40) // 4
    for batch in BatchSampler(labels, groups, SamplingConfig(batch_size=4)).epoch(1, 1):
        pairs = labels[batch.reshape(-1, 2)]
        assert (pairs[:, 0] == pairs[:, 1]).all()


def test_a_group_of_one_slice_gives_it_as_often_as_needed() -> None:
    sampler = BatchSampler(LABELS, np.arange(100), SamplingConfig(batch_size=6, slices_per_group=3))

    for batch in sampler.epoch(1, 1):
        assert [len(set(part)) for part in batch.reshape(-1, 3)] == [1, 1]


def test_batches_follow_seed_and_epoch_alone() -> None:
    sampler = BatchSampler(LABELS, GROUPS, SamplingConfig(batch_size=8))
    first, again, other = sampler.epoch(1, 5), sampler.epoch(1, 5), sampler.epoch(1, 6)

    assert [batch.shape for batch in first] == [(8,)] * sampler.steps == [(8,)] * 12
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_set_smaller_than_a_batch_has_one_step() -> None:
    sampler = BatchSampler(LABELS[:5], GROUPS[:5], SamplingConfig(batch_size=8))

    assert [batch.shape for batch in sampler.epoch(1, 1)] == [(8,)]
