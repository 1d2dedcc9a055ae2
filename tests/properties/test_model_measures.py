"""The measures agree with ranx on any ranking, and obey what their definitions promise."""

import warnings

import numpy as np
import pytest
import ranx
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.evaluation.measures import MEASURES, measure, precision_at_recall, score

THEIRS = {
    "average_precision": "map",
    "precision_at_1": "precision@1",
    "precision_at_5": "precision@5",
    "precision_at_10": "precision@10",
    "precision_at_20": "precision@20",
    "recall_at_10": "recall@10",
    "recall_at_50": "recall@50",
    "recall_at_100": "recall@100",
    "recall_at_relevant": "r-precision",
    "ndcg_at_10": "ndcg@10",
}
rankings = st.lists(st.integers(0, 2), min_size=1, max_size=60).filter(any)


def ranx_figures(rows: list[list[int]]) -> dict[str, NDArray[np.float64]]:
    """ranx on each row, a query whose documents are named by rank and scored from high to low."""
    qrels = {f"q{q}": {f"d{n}": grade for n, grade in enumerate(row)} for q, row in enumerate(rows)}
    run = {f"q{q}": {f"d{n}": float(-n) for n in range(len(row))} for q, row in enumerate(rows)}
    with warnings.catch_warnings():
        # Of numba, about ranx's own code, when it compiles that for the first time.
        warnings.filterwarnings("ignore", message="unsafe cast from uint64 to int64")
        found = ranx.evaluate(
            ranx.Qrels(qrels), ranx.Run(run), list(THEIRS.values()), return_mean=False
        )
    return {ours: found[theirs] for ours, theirs in THEIRS.items()}


@pytest.mark.timeout(900)  # the first time, ranx is compiled
@settings(deadline=None, max_examples=25)
@given(st.lists(rankings, min_size=2, max_size=8))
def test_every_measure_agrees_with_ranx(rows: list[list[int]]) -> None:
    theirs = ranx_figures(rows)
    ours = np.concatenate([measure(np.array([row], np.int8)) for row in rows])

    for number, name in enumerate(MEASURES):
        np.testing.assert_allclose(ours[:, number], theirs[name], atol=1e-12, err_msg=name)


@settings(deadline=None)
@given(rankings)
def test_figures_are_shares_and_the_best_order_has_the_highest(grades: list[int]) -> None:
    found = measure(np.array([grades, sorted(grades, reverse=True)], np.int8))

    assert ((found >= 0) & (found <= 1 + 1e-12)).all()
    assert (found[1] >= found[0] - 1e-12).all()
    assert found[1, MEASURES.index("average_precision")] == pytest.approx(1)
    assert found[1, MEASURES.index("ndcg_at_10")] == pytest.approx(1)


@settings(deadline=None)
@given(rankings)
def test_the_curve_falls_and_never_runs_below_the_average(grades: list[int]) -> None:
    row = np.array([grades], np.int8)
    curve = precision_at_recall(row)[0]

    assert (np.diff(curve) <= 1e-12).all()
    assert curve[0] + 1e-12 >= measure(row)[0, MEASURES.index("average_precision")]


def labelled(seed: int, count: int, labels: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    return random.normal(size=(count, 5)), random.integers(0, labels, count)


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 20), st.integers(1, 30), st.integers(1, 4))
def test_scores_ignore_rotation(seed: int, queries: int, gallery: int, labels: int) -> None:
    kept, kept_labels = labelled(seed, gallery, labels)
    asked, _ = labelled(seed + 1, queries, labels)
    asked_labels = np.random.default_rng(seed).choice(kept_labels, queries)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))

    found = score(asked, asked_labels, kept, kept_labels)
    turned = score(asked @ turn, asked_labels, kept @ turn, kept_labels)

    assert 0 < found.query_map <= 1
    assert abs(turned.query_map - found.query_map) < 1e-9
    assert abs(turned.macro_map - found.macro_map) < 1e-9


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 5))
def test_labels_far_apart_are_ranked_perfectly(seed: int, labels: int) -> None:
    kept_labels = np.repeat(np.arange(labels), 12)
    centres = np.arange(labels)[:, None] * 100.0
    kept = centres[kept_labels] + np.random.default_rng(seed).random((len(kept_labels), 1))

    found = score(centres, np.arange(labels), kept, kept_labels)

    assert found.macro_map == 1
    assert found.macro_precision_at == {1: 1, 5: 1, 10: 1}
