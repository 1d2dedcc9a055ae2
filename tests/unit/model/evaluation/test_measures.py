"""Each measure against figures worked out by hand."""

from math import log2

import numpy as np
import pytest

from model.evaluation import measures
from model.evaluation.ranking import rank, squared_distances
from tests.unit.model.evaluation.drawn import on_a_line

# Relevant at ranks 2, 3 and 5 of six; the third is in the same place, too.
GRADES = np.array([[0, 1, 2, 0, 1, 0]], np.int8)


def test_precision_and_recall_are_the_papers_equations() -> None:
    assert measures.precision_at(GRADES, 1) == [0]
    assert measures.precision_at(GRADES, 3) == pytest.approx([2 / 3])
    assert measures.recall_at(GRADES, 3) == pytest.approx([2 / 3])
    assert measures.recall_at(GRADES, 100) == [1]


def test_precision_counts_what_a_small_gallery_could_not_return() -> None:
    assert measures.precision_at(GRADES, 10) == pytest.approx([3 / 10])


def test_recall_at_the_number_of_relevant_slices() -> None:
    assert measures.recall_at_relevant(GRADES) == pytest.approx([2 / 3])


def test_average_precision_over_the_whole_ranking() -> None:
    assert measures.average_precision(GRADES) == pytest.approx([(1 / 2 + 2 / 3 + 3 / 5) / 3])


def test_ndcg_with_grades() -> None:
    gained = 1 / log2(3) + 2 / log2(4) + 1 / log2(6)
    ideal = 2 / log2(2) + 1 / log2(3) + 1 / log2(4)

    assert measures.ndcg_at(GRADES, 10) == pytest.approx([gained / ideal])


def test_ndcg_is_cut_and_its_ideal_too() -> None:
    gained, ideal = 1 / log2(3), 2 / log2(2) + 1 / log2(3)

    assert measures.ndcg_at(GRADES, 2) == pytest.approx([gained / ideal])


def test_the_curve_takes_the_best_precision_at_a_recall_or_beyond() -> None:
    curve = dict(
        zip(measures.RECALL_LEVELS.round(2), measures.precision_at_recall(GRADES)[0], strict=True)
    )

    assert curve[0.0] == pytest.approx(2 / 3)
    assert curve[0.65] == pytest.approx(2 / 3)
    assert curve[0.7] == pytest.approx(3 / 5)
    assert curve[1.0] == pytest.approx(3 / 5)


def test_levels_that_are_whole_slices_ask_for_no_slice_more() -> None:
    grades = np.zeros((1, 40), np.int8)
    grades[0, :7] = 1  # 7 of 20 are found first, the rest at the end
    grades[0, -13:] = 1

    level = measures.RECALL_LEVELS.round(2).tolist().index(0.35)
    assert measures.precision_at_recall(grades)[0, level] == 1


def test_all_measures_stand_in_their_columns() -> None:
    found = dict(zip(measures.MEASURES, measures.measure(GRADES)[0], strict=True))

    assert found["precision_at_5"] == pytest.approx(3 / 5)
    assert found["recall_at_50"] == 1
    assert found["ndcg_at_10"] == measures.ndcg_at(GRADES, 10)[0]
    assert found["recall_at_relevant"] == pytest.approx(2 / 3)
    assert len(found) == 10


def test_ties_keep_the_order_of_the_gallery() -> None:
    assert rank(on_a_line(0), on_a_line(1, -1, 0, 1)).tolist() == [[2, 0, 1, 3]]


def test_equal_vectors_are_equally_far_wherever_they_stand() -> None:
    random = np.random.default_rng(3)
    one = random.normal(size=(1, 37))
    gallery = np.concatenate([random.normal(size=(50, 37)), one, random.normal(size=(9, 37)), one])

    apart = squared_distances(random.normal(size=(20, 37)), gallery)

    np.testing.assert_array_equal(apart[:, 50], apart[:, 60])


def test_slices_that_are_left_out_come_last() -> None:
    left_out = np.array([[True, False, False]])

    assert rank(on_a_line(0), on_a_line(0, 2, 1), left_out).tolist() == [[2, 1, 0]]


def test_score_by_hand() -> None:
    gallery, labels = on_a_line(1, 2, 3, 4), np.array([0, 1, 0, 1])

    scores = measures.score(on_a_line(0), np.array([0]), gallery, labels, ks=(1, 2, 3))

    assert scores.query_map == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert scores.macro_precision_at == pytest.approx({1: 1.0, 2: 0.5, 3: 2 / 3})


def test_score_weighs_labels_and_queries() -> None:
    gallery, labels = on_a_line(1, 2), np.array([0, 1])

    scores = measures.score(on_a_line(0, 0, 0), np.array([0, 0, 1]), gallery, labels, ks=(1,))

    assert scores.map_by_label == pytest.approx({0: 1.0, 1: 0.5})
    assert scores.macro_map == pytest.approx(0.75)
    assert scores.query_map == pytest.approx(2.5 / 3)
    assert scores.precision_at_by_label[1] == {1: 0.0}


def test_score_leaves_out_queries_without_a_partner() -> None:
    gallery, labels = on_a_line(1, 2), np.array([0, 0])

    scores = measures.score(on_a_line(0, 0), np.array([0, 7]), gallery, labels)
    assert scores.map_by_label == {0: 1.0}
    with pytest.raises(ValueError, match="no label of any query"):
        measures.score(on_a_line(0), np.array([7]), gallery, labels)


def test_score_agrees_with_a_plain_reference_beyond_one_step() -> None:
    random = np.random.default_rng(4)
    queries, gallery = random.normal(size=(300, 8)), random.normal(size=(60, 8))
    query_labels, gallery_labels = random.integers(0, 3, 300), random.integers(0, 3, 60)

    found = measures.score(queries, query_labels, gallery, gallery_labels)

    expected = []
    for query, label in zip(queries, query_labels, strict=True):
        ranked = sorted(range(60), key=lambda n: float(np.linalg.norm(gallery[n] - query)))
        hits = [place for place, n in enumerate(ranked, 1) if gallery_labels[n] == label]
        expected.append(np.mean([(n + 1) / place for n, place in enumerate(hits)]))
    assert found.query_map == pytest.approx(np.mean(expected))
