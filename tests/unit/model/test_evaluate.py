"""Retrieval scores against figures by hand and a plain reference."""

import numpy as np
import pytest

from model.evaluate import raw_pixels, score, score_labels
from tests.unit.model.made import dataset


def on_a_line(*places: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array(places)[:, None]


def test_figures_by_hand() -> None:
    gallery = on_a_line(1, 2, 3, 4)
    gallery_labels = np.array([0, 1, 0, 1])

    scores = score(on_a_line(0), np.array([0]), gallery, gallery_labels, ks=(1, 2, 3))

    assert scores.query_map == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert scores.macro_precision_at == pytest.approx({1: 1.0, 2: 0.5, 3: 2 / 3})


def test_macro_weighs_labels_and_query_mean_weighs_queries() -> None:
    gallery, gallery_labels = on_a_line(1, 2), np.array([0, 1])

    scores = score(on_a_line(0, 0, 0), np.array([0, 0, 1]), gallery, gallery_labels, ks=(1,))

    assert scores.map_by_label == pytest.approx({0: 1.0, 1: 0.5})
    assert scores.macro_map == pytest.approx(0.75)
    assert scores.query_map == pytest.approx(2.5 / 3)
    assert scores.macro_precision_at[1] == pytest.approx(0.5)
    assert scores.precision_at_by_label[1] == {1: 0.0}


def test_ties_keep_the_order_of_the_gallery() -> None:
    gallery, labels = on_a_line(1, 1, 1), np.array([1, 1, 0])

    assert score(on_a_line(0), np.array([0]), gallery, labels).query_map == pytest.approx(1 / 3)


def test_queries_without_a_partner_are_left_out() -> None:
    gallery, labels = on_a_line(1, 2), np.array([0, 0])

    assert score(on_a_line(0, 0), np.array([0, 7]), gallery, labels).map_by_label == {0: 1.0}
    with pytest.raises(ValueError, match="no label of any query"):
        score(on_a_line(0), np.array([7]), gallery, labels)


def test_it_agrees_with_a_plain_reference_beyond_one_chunk() -> None:
    random = np.random.default_rng(4)
    queries, gallery = random.normal(size=(600, 8)), random.normal(size=(90, 8))
    query_labels, gallery_labels = random.integers(0, 3, 600), random.integers(0, 3, 90)

    found = score(queries, query_labels, gallery, gallery_labels)

    expected = []
    for query, label in zip(queries, query_labels, strict=True):
        ranked = sorted(range(90), key=lambda n: float(np.linalg.norm(gallery[n] - query)))
        hits = [rank for rank, n in enumerate(ranked, 1) if gallery_labels[n] == label]
        expected.append(np.mean([(n + 1) / rank for n, rank in enumerate(hits)]))
    assert found.query_map == pytest.approx(np.mean(expected))


def test_narrowing_drops_other_labels_from_queries_and_gallery() -> None:
    data = dataset(12)

    scores = score_labels(
        raw_pixels(data.images, 16), data, data.images.reshape(12, -1), data, ["dark"]
    )

    assert scores.map_by_label == {0: 1.0}


def test_raw_pixels_are_means_of_blocks() -> None:
    images = np.arange(16, dtype=np.float32).reshape(1, 4, 4)

    np.testing.assert_array_equal(raw_pixels(images, side=2), [[2.5, 4.5, 10.5, 12.5]])
    with pytest.raises(ValueError, match="do not divide"):
        raw_pixels(images, side=3)
