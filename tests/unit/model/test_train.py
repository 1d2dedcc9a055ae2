"""The training loop on drawn slices: it learns, and an interruption does not show."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.augment import AugmentConfig
from model.checkpoint import load
from model.embedder import Embedder
from model.errors import TrainingError
from model.evaluate import score
from model.train import train
from model.train_config import EpochMetrics, TrainConfig
from tests.unit.model.made import TINY, dataset

CONFIG = TrainConfig(
    epochs=4,
    batch_size=8,
    peak_learning_rate=5e-3,
    validate_every=2,
    ema_decay=0.9,
    precision="float32",
    network=TINY,
    augment=AugmentConfig(flip=False, cut_out=0.0),
    data_statement="drawn blobs",
)
TRAIN_SET, VALIDATION_SET = dataset(64, seed=1), dataset(16, seed=2)


class Interrupted(Exception):
    pass


def run(config: TrainConfig, folder: Path) -> tuple[Path, list[EpochMetrics]]:
    seen: list[EpochMetrics] = []
    return train(config, TRAIN_SET, VALIDATION_SET, folder, seen.append), seen


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[EpochMetrics]]:
    return run(CONFIG, tmp_path_factory.mktemp("trained"))


def test_the_loss_falls_and_the_labels_are_learnt(
    trained: tuple[Path, list[EpochMetrics]],
) -> None:
    _, seen = trained

    assert [metrics.epoch for metrics in seen] == [1, 2, 3, 4]
    assert seen[-1].loss < 0.8 * seen[0].loss
    assert seen[-1].accuracy > 0.9


def test_validation_runs_when_asked_and_at_the_end(
    trained: tuple[Path, list[EpochMetrics]],
) -> None:
    _, seen = trained

    assert [metrics.validation_map is None for metrics in seen] == [True, False, True, False]
    assert seen[-1].validation_precision_at_10 is not None


def test_the_checkpoint_embeds_what_was_learnt(
    trained: tuple[Path, list[EpochMetrics]],
) -> None:
    path, seen = trained
    checkpoint = load(path)
    embedder = Embedder(checkpoint)

    found = score(
        embedder.coordinates(VALIDATION_SET.images),
        VALIDATION_SET.labels,
        embedder.coordinates(TRAIN_SET.images),
        TRAIN_SET.labels,
    )

    assert seen[-1].validation_map == pytest.approx(found.macro_map, abs=1e-3)
    assert checkpoint.info.data_statement == "drawn blobs"
    assert checkpoint.info.label_names == TRAIN_SET.label_names
    assert checkpoint.info.preprocess == TRAIN_SET.preprocess
    assert not any(name.startswith("classifier") for name in checkpoint.weights)


def test_metrics_are_written_line_by_line(trained: tuple[Path, list[EpochMetrics]]) -> None:
    path, seen = trained
    with (path.parent / "metrics.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))

    assert [float(line["loss"]) for line in lines] == [metrics.loss for metrics in seen]
    assert lines[0]["validation_map"] == ""


def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    trained: tuple[Path, list[EpochMetrics]], tmp_path: Path
) -> None:
    def interrupt(metrics: EpochMetrics) -> None:
        if metrics.epoch == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(CONFIG, TRAIN_SET, VALIDATION_SET, tmp_path, interrupt)
    path, seen = run(CONFIG, tmp_path)

    assert [metrics.epoch for metrics in seen] == [3, 4]
    expected = load(trained[0]).weights
    for name, weights in load(path).weights.items():
        np.testing.assert_allclose(weights, expected[name], atol=1e-6, err_msg=name)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first, _ = run(replace(CONFIG, epochs=1), tmp_path)
    again, seen = run(replace(CONFIG, epochs=1), tmp_path)

    assert seen == []
    assert again == first


def test_another_configuration_does_not_go_on_from_this_one(tmp_path: Path) -> None:
    run(replace(CONFIG, epochs=1), tmp_path)

    with pytest.raises(TrainingError, match="another configuration"):
        run(replace(CONFIG, epochs=1, seed=2), tmp_path)


def test_half_precision_learns_too(tmp_path: Path) -> None:
    _, seen = run(replace(CONFIG, precision="bfloat16"), tmp_path)

    assert seen[-1].loss < 0.8 * seen[0].loss


def test_sets_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    other = replace(VALIDATION_SET, label_names=("one", "two"))

    with pytest.raises(TrainingError, match="different labels"):
        train(CONFIG, TRAIN_SET, other, tmp_path, lambda _: None)
