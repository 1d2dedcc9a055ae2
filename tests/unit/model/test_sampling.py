"""Draws and schedules of training."""

import numpy as np
import pytest

from model.sampling import epoch_batches, one_cycle, slice_weights

LABELS = np.array([0] * 90 + [1] * 10)
GROUPS = np.arange(100)


@pytest.mark.parametrize(("balance", "share"), [(0.0, 0.1), (0.5, 0.25), (1.0, 0.5)])
def test_balance_moves_a_rare_label_from_its_share_to_an_equal_one(
    balance: float, share: float
) -> None:
    weights = slice_weights(LABELS, GROUPS, balance)

    assert weights.sum() == pytest.approx(1)
    assert weights[LABELS == 1].sum() == pytest.approx(share)


def test_a_large_group_counts_by_the_root_of_its_size() -> None:
    groups = np.array([0] * 9 + [1])
    weights = slice_weights(np.zeros(10, np.int64), groups, 0.5)

    assert weights[:9].sum() / weights[9] == pytest.approx(3)


def test_batches_follow_seed_and_epoch_alone() -> None:
    weights = slice_weights(LABELS, GROUPS, 1.0)
    first, again = epoch_batches(weights, 8, 1, 5), epoch_batches(weights, 8, 1, 5)
    other = epoch_batches(weights, 8, 1, 6)

    assert [batch.shape for batch in first] == [(8,)] * 12
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_rate_climbs_to_its_peak_and_falls_to_zero() -> None:
    rates = [one_cycle(step, 100, 2.0) for step in range(101)]

    assert max(rates) == rates[24] == rates[25] == pytest.approx(2.0)
    assert rates[:25] == sorted(rates[:25])
    assert rates[25:] == sorted(rates[25:], reverse=True)
    assert rates[100] == pytest.approx(0, abs=1e-12)
