"""Retrieval scores obey what their definitions promise, for any vectors and labels."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from model.evaluate import score


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 30), st.integers(1, 4))
def test_scores_are_shares_and_ignore_rotation(
    seed: int, queries: int, gallery: int, labels: int
) -> None:
    random = np.random.default_rng(seed)
    asked, kept = random.normal(size=(queries, 5)), random.normal(size=(gallery, 5))
    kept_labels = random.integers(0, labels, gallery)
    asked_labels = random.choice(kept_labels, queries)
    turn, _ = np.linalg.qr(random.normal(size=(5, 5)))

    found = score(asked, asked_labels, kept, kept_labels)
    turned = score(asked @ turn, asked_labels, kept @ turn, kept_labels)

    assert 0 < found.query_map <= 1
    assert 0 < found.macro_map <= 1
    assert all(0 <= value <= 1 for value in found.macro_precision_at.values())
    assert abs(turned.query_map - found.query_map) < 1e-9


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_labels_far_apart_are_ranked_perfectly(seed: int, labels: int) -> None:
    random = np.random.default_rng(seed)
    kept_labels = np.repeat(np.arange(labels), 12)
    centres = np.arange(labels)[:, None] * 100.0
    kept = centres[kept_labels] + random.random((len(kept_labels), 1))

    found = score(centres, np.arange(labels), kept, kept_labels)

    assert found.macro_map == 1
    assert found.macro_precision_at == {1: 1, 5: 1, 10: 1}
