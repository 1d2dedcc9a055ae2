"""Intervals: what is drawn, what cannot move, and whether they hold what they promise."""

from dataclasses import replace

import numpy as np
import pytest

from model.errors import EvaluationError
from model.evaluation.bootstrap import intervals, paired_differences, resample
from model.evaluation.evaluate import evaluate
from model.evaluation.per_query import PerQuery, measure_queries
from model.evaluation.summary import summarise
from tests.unit.model.evaluation.drawn import slices, vectors


def test_without_spread_there_is_no_width() -> None:
    drawn = resample(slices([0, 0, 1]), np.full((3, 2), 0.7), 50, seed=1)

    assert drawn.labels.shape == (50, 2, 2)
    np.testing.assert_allclose(drawn.macro, 0.7)
    np.testing.assert_allclose(drawn.queries, 0.7)


def test_the_same_seed_draws_the_same() -> None:
    made, values = slices([0] * 9), np.arange(9.0)[:, None]

    np.testing.assert_array_equal(
        resample(made, values, 20, seed=5).macro, resample(made, values, 20, seed=5).macro
    )
    assert (resample(made, values, 20, seed=5).macro != resample(made, values, 20, 6).macro).any()


def test_whole_patients_are_drawn() -> None:
    """Two patients of five slices each: a resample's mean is 0, a half or 1, nothing between."""
    made = slices([0] * 10, ["A"] * 5 + ["B"] * 5)
    values = np.r_[np.zeros(5), np.ones(5)][:, None]

    drawn = resample(made, values, 300, seed=1)

    assert set(drawn.macro[:, 0].tolist()) == {0.0, 0.5, 1.0}


def test_a_rare_label_never_vanishes() -> None:
    made = slices([0] * 30 + [1, 1])

    drawn = resample(made, np.ones((32, 1)), 200, seed=1)

    assert np.isfinite(drawn.labels).all()


def test_a_patient_with_two_labels_is_drawn_with_both() -> None:
    made = slices([0, 1, 0, 1], ["A", "A", "B", "B"])
    values = np.array([0.0, 0.0, 1.0, 1.0])[:, None]

    drawn = resample(made, values, 100, seed=1)

    np.testing.assert_array_equal(drawn.labels[:, 0], drawn.labels[:, 1])


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random, covered = np.random.default_rng(2), 0
    made = slices([0] * 40)
    for seed in range(200):
        values = random.normal(0.5, 0.1, size=(40, 1))
        (interval,) = intervals(resample(made, values, 300, seed).macro)
        covered += interval.low <= 0.5 <= interval.high

    assert 0.88 <= covered / 200 <= 0.99


def test_slices_of_few_patients_give_wider_intervals_than_of_many() -> None:
    values = np.repeat(np.linspace(0, 1, 8), 10)[:, None]
    few = slices([0] * 80, [f"P{n // 10}" for n in range(80)])

    (of_patients,) = intervals(resample(few, values, 500, 1).macro)
    (of_slices,) = intervals(resample(slices([0] * 80), values, 500, 1).macro)

    assert of_patients.high - of_patients.low > 2 * (of_slices.high - of_slices.low)


def test_a_report_says_what_was_resampled() -> None:
    labels = [0, 0, 0, 1, 1, 1]
    asked, kept = vectors(labels, 1.0, 1), vectors(labels, 1.0, 2)

    known = evaluate(asked, slices(labels, prefix="Q"), kept, slices(labels), resamples=99)
    guessed = evaluate(
        asked, slices(labels, prefix="Q", known=False), kept, slices(labels), resamples=99
    )

    assert known.summary.intervals == "95 %, patients resampled"
    assert "of 6 groups the patient is unknown" in guessed.summary.intervals
    figure = known.summary.macro["average_precision"]
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low <= figure.value <= figure.high


def test_a_label_of_one_group_has_no_interval() -> None:
    """Such a group is in every resample: its label's mean would come with an interval of no width.

    A and B share a combination, C is alone with bleeds, D alone with both.
    """
    labels, groups = [0, 0, 0, 1, 1, 0], ["A", "B", "B", "C", "D", "D"]
    asked, kept = vectors(labels, 1.0, 1), vectors([0, 0, 1, 1], 1.0, 2)

    report = evaluate(asked, slices(labels, groups), kept, slices([0, 0, 1, 1], prefix="G"))

    summary = report.summary
    glioma, bleed = (label.figures["average_precision"] for label in summary.labels)
    assert (bleed.low, bleed.high) == (None, None)
    assert glioma.low is not None
    assert glioma.high is not None
    assert glioma.low < glioma.high
    assert summary.macro["average_precision"].low is not None
    assert "none for bleed" in summary.intervals
    assert "2 groups never change" in summary.intervals


def test_where_no_group_has_a_like_nothing_has_an_interval() -> None:
    labels = [0, 0, 1, 1]
    queries = slices(labels, ["A", "A", "B", "B"])

    def found(seed: int) -> PerQuery:
        asked, kept = vectors(labels, 2.0, seed), vectors(labels, 2.0, 9)
        return evaluate(asked, queries, kept, slices(labels, prefix="G")).per_query

    summary = summarise(found(1), 50, 0)
    apart = paired_differences(found(1), found(2))["average_precision"]

    figures = [*summary.macro.values(), *summary.over_queries.values()]
    assert all((figure.low, figure.high) == (None, None) for figure in figures)
    assert "none for glioma, bleed" in summary.intervals
    assert (apart.low, apart.high) == (None, None)
    assert np.isfinite(apart.value)


def measured(spread: float) -> PerQuery:
    labels = [n % 3 for n in range(60)]
    return measure_queries(
        vectors(labels, spread, 1),
        slices(labels, prefix="Q"),
        vectors(labels, spread, 2),
        slices(labels),
        own_group_left_out=False,
    )


def test_a_better_encoder_differs_from_a_worse_one_and_not_from_itself() -> None:
    good, bad = measured(0.3), measured(2.0)

    apart = paired_differences(good, bad, resamples=200)["average_precision"]
    itself = paired_differences(good, good, resamples=200)["average_precision"]

    assert apart.low is not None
    assert apart.high is not None
    assert 0 < apart.low < apart.value < apart.high
    assert (itself.value, itself.low, itself.high) == (0, 0, 0)
    expected = [
        (good.of("average_precision") - bad.of("average_precision"))[n::3].mean() for n in range(3)
    ]
    assert apart.value == pytest.approx(np.mean(expected))


def test_only_the_same_queries_make_pairs() -> None:
    one = measured(0.3)
    other = replace(one, queries=slices([n % 3 for n in range(60)], prefix="R"))

    with pytest.raises(EvaluationError, match="same queries"):
        paired_differences(one, other)
