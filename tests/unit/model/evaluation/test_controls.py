"""Controls: what an encoder must beat, and what must fall to chance."""

import json
from dataclasses import replace

import numpy as np
import pytest

from model.dataset import Dataset
from model.evaluation.compare import evaluate_splits
from model.evaluation.controls import METADATA, RAW_PIXELS, SHUFFLED, metadata, raw_pixels, shuffled
from model.evaluation.evaluate import evaluate
from model.evaluation.facts import Slices
from model.evaluation.folds import Folds
from model.evaluation.plan import Plan
from model.evaluation.protocols import Split, splits
from model.evaluation.ranking import Vectors
from model.evaluation.report import document
from model.evaluation.run import run
from tests.unit.model.evaluation.drawn import slices, vectors
from tests.unit.model.made import dataset


def test_raw_pixels_are_means_of_blocks() -> None:
    images = np.arange(16, dtype=np.float32).reshape(1, 4, 4)

    np.testing.assert_allclose(raw_pixels(images, side=2), [[2.5, 4.5, 10.5, 12.5]])


def test_raw_pixels_share_what_lies_across_an_edge() -> None:
    image = np.array([[[3, 6, 9]] * 3], np.float32)

    np.testing.assert_allclose(raw_pixels(image, side=2), [[4, 8, 4, 8]], rtol=1e-6)
    np.testing.assert_allclose(raw_pixels(np.ones((1, 50, 50), np.float32)), 1, rtol=1e-6)


def test_metadata_tells_modality_plane_and_shape_of_the_head_apart() -> None:
    images = np.zeros((4, 16, 16), np.float32)
    images[:, 4:12, 4:12] = 0.5
    images[3, 2:14, 6:10] = 0.5
    made = replace(
        dataset(4),
        images=images,
        modalities=np.array(["MR", "MR", "CT", "MR"]),
        planes=np.array([1, 1, -1, 1]),
    )

    found = metadata(made)

    np.testing.assert_array_equal(found[0], found[1])
    assert np.linalg.norm(found[0] - found[2]) > 3
    assert np.linalg.norm(found[0] - found[3]) > 1


def test_metadata_of_an_empty_picture_is_finite() -> None:
    made = replace(dataset(2), images=np.zeros((2, 16, 16), np.float32))

    assert np.isfinite(metadata(made)).all()


def test_shuffled_labels_fall_to_chance() -> None:
    labels = [n % 3 for n in range(300)]
    queries, gallery = slices(labels, prefix="Q"), slices(labels)
    asked, kept = vectors(labels, 0.2, 1), vectors(labels, 0.2, 2)

    true = evaluate(asked, queries, kept, gallery, resamples=0).summary.macro
    figures = [
        evaluate(asked, queries, kept, shuffled(gallery, seed), resamples=0).summary.macro
        for seed in range(10)
    ]

    for name in ("average_precision", "precision_at_20", "recall_at_relevant"):
        chance = true[name].chance
        assert np.mean([f[name].value for f in figures]) == pytest.approx(chance, abs=0.05)
        assert true[name].value > chance + 0.4


def test_shuffled_queries_with_nothing_to_find_are_left_out() -> None:
    """Among eight of one label and two bleeds, some deal puts both bleeds into A's hands."""
    made = slices([1, 0, 0, 1, *[0] * 6], ["A", "A", "A", "B", *"CDEFGH"])
    places = vectors(made.labels.tolist(), 1.0)
    everything = np.arange(len(made))
    split = Split("unseen", "all labels", everything, everything, True, ("a note",))
    dealt = {}
    for seed in range(60):
        gallery = shuffled(made, seed)
        dealt[seed] = set(gallery.groups[gallery.labels == 1])
    seed = next(seed for seed, groups in dealt.items() if groups == {"A"})

    (report,) = evaluate_splits([split], made, places, SHUFFLED, resamples=20, seed=seed)

    assert report.queries == len(made) - 1
    assert report.notes[0] == "a note"
    assert "1 queries left out" in report.notes[1]
    assert np.isfinite(report.per_query.values).all()
    json.dumps(document(report), allow_nan=False)


def folded(count: int) -> tuple[Dataset, Plan]:
    made = replace(
        dataset(count, side=32),
        groups=np.arange(count, dtype=np.int64),
        group_names=tuple(map(str, range(count))),
        folds=np.arange(count, dtype=np.int64) // 2 % 2 + 1,
    )
    folds = Folds((2,), (1,), ())
    return made, Plan((), folds, splits("folds", Slices.of(made), folds), ("paper left out",))


def test_encoders_and_controls_run_on_the_same_splits() -> None:
    made, plan = folded(40)

    def good(given: Dataset) -> Vectors:
        assert given is made
        return vectors(made.labels.tolist(), 0.1)

    def noise(given: Dataset) -> Vectors:
        return vectors(made.labels.tolist(), 50)

    found = run(made, plan, {"good": good, "noise": noise}, resamples=50)

    assert [report.method for report in found.reports] == [
        *("good", "noise", RAW_PIXELS, METADATA, SHUFFLED)
    ]
    assert [(c.method, c.other) for c in found.comparisons] == [
        ("good", "noise"),
        ("good", RAW_PIXELS),
        ("good", METADATA),
    ]
    low = found.comparisons[0].differences["average_precision"].low
    assert low is not None
    assert low > 0
    assert found.left_out == ("paper left out",)
    assert len(found.of("good")) == 1


def test_controls_and_intervals_can_be_left_out() -> None:
    made, plan = folded(16)
    encode = {"a": lambda _: raw_pixels(made.images)}

    found = run(made, plan, encode, controls=False, resamples=0)

    assert [report.method for report in found.reports] == ["a"]
    assert found.comparisons == ()
    assert found.reports[0].summary.intervals == "none"
