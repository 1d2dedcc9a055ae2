"""The figures of a checkpoint, beside raw pixels and chance."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.checkpoint import load
from model.embedder import Embedder
from model.errors import DatasetError
from model.evaluate import raw_pixels, score
from model.figures import measure
from model.preprocess import PreprocessConfig
from tests.unit.model.made import dataset, network, saved


@pytest.fixture
def embedder(tmp_path: Path) -> Embedder:
    return Embedder(load(saved(tmp_path, network(), side=32)))


def test_encoder_raw_pixels_and_chance_go_through_the_same_scores(embedder: Embedder) -> None:
    queries, gallery = dataset(8, seed=2, side=32), dataset(30, side=32)

    figures = measure(embedder, queries, gallery, {"all": ("dark", "bright")})

    expected = score(
        embedder.coordinates(queries.images),
        queries.labels,
        embedder.coordinates(gallery.images),
        gallery.labels,
    )
    raw = score(
        raw_pixels(queries.images), queries.labels, raw_pixels(gallery.images), gallery.labels
    )
    assert figures == pytest.approx(
        {
            "all_macro_map": expected.macro_map,
            "all_query_map": expected.query_map,
            "all_macro_p10": expected.macro_precision_at[10],
            "raw_pixels_all_macro_map": raw.macro_map,
            "raw_pixels_all_query_map": raw.query_map,
            "raw_pixels_all_macro_p10": raw.macro_precision_at[10],
            "chance_all_macro_map": 0.5,
            "chance_all_query_map": 0.5,
        }
    )


def test_chance_follows_the_shares_of_gallery_and_queries(embedder: Embedder) -> None:
    gallery, queries = dataset(8, side=32), dataset(4, seed=2, side=32)
    gallery = replace(gallery, labels=np.array([0] * 6 + [1] * 2))
    queries = replace(queries, labels=np.array([0, 0, 0, 1]))

    figures = measure(embedder, queries, gallery, {"all": ("dark", "bright")})

    assert figures["chance_all_macro_map"] == pytest.approx(0.5)
    assert figures["chance_all_query_map"] == pytest.approx((3 * 0.75 + 0.25) / 4)


def test_slices_prepared_otherwise_are_refused(embedder: Embedder) -> None:
    data = dataset(4, side=32)
    other = replace(data, preprocess=PreprocessConfig(size=32, low_percentile=2.0))

    with pytest.raises(DatasetError, match="not prepared"):
        measure(embedder, other, data, {"all": ("dark", "bright")})
