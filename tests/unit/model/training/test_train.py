"""The training loop on drawn slices: it learns, and tells how."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.checkpoint import hash_group, load
from model.embedder import Embedder
from model.errors import TrainingError
from model.evaluation.measures import score
from model.training.config import EpochMetrics
from model.training.tensorboard import EVENT_FILE
from tests.unit.model.made import dataset
from tests.unit.model.training.runs import (
    OPTIONS,
    TRAIN_SET,
    VALIDATION_SET,
    Trained,
    run,
    scheduled,
    train,
)
from tests.unit.model.training.settings import QUICK


def test_the_loss_falls_and_the_labels_are_learnt(
    trained: Trained,
) -> None:
    _, seen = trained

    assert [metrics.epoch for metrics in seen] == [1, 2, 3, 4]
    assert seen[-1].loss < 0.8 * seen[0].loss
    assert seen[-1].accuracy > 0.9


def test_each_loss_is_measured(trained: Trained) -> None:
    _, (first, *_) = trained
    parts = first.softmax_loss + QUICK.loss.contrastive * first.contrastive_loss
    parts += QUICK.loss.lesion_map * first.lesion_loss + QUICK.loss.plane * first.plane_loss

    assert min(first.softmax_loss, first.contrastive_loss) > 0
    assert min(first.lesion_loss, first.plane_loss) > 0
    assert first.loss == pytest.approx(parts, rel=1e-5)


def test_validation_runs_when_asked_and_at_the_end(
    trained: Trained,
) -> None:
    _, seen = trained

    assert [metrics.validation_map is None for metrics in seen] == [True, False, True, False]
    assert seen[-1].validation_precision_at_10 is not None


def test_the_checkpoint_embeds_what_was_learnt(
    trained: Trained,
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
    assert checkpoint.info.metrics["validation_macro_map"] == seen[-1].validation_map
    assert checkpoint.info.data_statement == "drawn blobs"
    assert checkpoint.info.label_names == TRAIN_SET.label_names
    assert checkpoint.info.preprocess == TRAIN_SET.preprocess
    assert checkpoint.info.training == QUICK.identity()
    assert not any("classifier" in name for name in checkpoint.weights)


def test_the_checkpoint_knows_whom_it_was_trained_on(
    trained: Trained,
) -> None:
    listed = load(trained[0]).info.trained_on

    assert set(listed) == {hash_group(name) for name in TRAIN_SET.group_names}
    assert not set(listed) & {hash_group(name) for name in VALIDATION_SET.group_names}


def test_metrics_are_written_line_by_line(trained: Trained) -> None:
    path, seen = trained
    with (path.parent / "metrics.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))

    assert [float(line["loss"]) for line in lines] == [metrics.loss for metrics in seen]
    assert lines[0]["validation_map"] == ""


def test_half_precision_learns_too(tmp_path: Path) -> None:
    _, seen = run(scheduled(precision="bfloat16"), tmp_path)

    assert seen[-1].loss < 0.8 * seen[0].loss


def test_every_step_is_told(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []

    def on_step(done: int, total: int) -> None:
        steps.append((done, total))

    config = scheduled(epochs=2)
    train(config, TRAIN_SET, None, tmp_path, lambda _: None, OPTIONS, on_step)

    assert steps == [(number, 16) for number in range(1, 17)]


def test_without_validation_there_are_no_figures_of_it(tmp_path: Path) -> None:
    seen: list[EpochMetrics] = []
    path = train(scheduled(epochs=1), TRAIN_SET, None, tmp_path, seen.append, OPTIONS)

    assert seen[0].validation_map is None
    assert "validation_macro_map" not in load(path).info.metrics


def test_an_event_file_is_written_unless_switched_off(tmp_path: Path) -> None:
    for wanted in (True, False):
        folder = tmp_path / str(wanted)
        options = replace(OPTIONS, tensorboard=wanted)
        train(scheduled(epochs=1), TRAIN_SET, None, folder, lambda _: None, options)
        assert (folder / EVENT_FILE).exists() == wanted


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_epoch(tmp_path: Path) -> None:
    run(scheduled(epochs=1), tmp_path)
    kept = (tmp_path / "resume.pt").read_bytes()
    state = torch.load(tmp_path / "resume.pt", weights_only=True)
    state["identity"]["recipe"]["schedule"]["epochs"] = 2
    state["trainee"]["network.embedding.bias"].fill_(float("nan"))
    torch.save(state, tmp_path / "resume.pt")
    spoilt = (tmp_path / "resume.pt").read_bytes()

    with pytest.raises(TrainingError, match=r"in epoch 2; .* peak_learning_rate"):
        run(scheduled(epochs=2), tmp_path)

    assert (tmp_path / "resume.pt").read_bytes() == spoilt != kept
    assert not (tmp_path / "resume.pt.unfinished").exists()


def test_a_run_may_start_from_a_checkpoint(trained: Trained, tmp_path: Path) -> None:
    start, seen = load(trained[0]), []
    more, later = dataset(32, seed=3), dataset(16, seed=4)
    still = scheduled(epochs=1, peak_learning_rate=1e-9)
    path = train(still, more, later, tmp_path, seen.append, OPTIONS, start=start)

    found = load(path)
    for name, weights in found.weights.items():
        if "running" not in name:
            np.testing.assert_allclose(weights, start.weights[name], atol=1e-5, err_msg=name)
    assert found.info.training["started_from"] == start.name
    assert set(found.info.trained_on) >= set(start.info.trained_on)
    assert {hash_group(name) for name in more.group_names} <= set(found.info.trained_on)


def test_whom_the_beginning_has_seen_cannot_judge(trained: Trained, tmp_path: Path) -> None:
    start = load(trained[0])

    with pytest.raises(TrainingError, match="trained on 16 patients or groups of the validation"):
        train(QUICK, dataset(32, seed=3), TRAIN_SET, tmp_path, lambda _: None, OPTIONS, start=start)


def test_a_beginning_of_another_shape_is_refused(trained: Trained, tmp_path: Path) -> None:
    other = replace(QUICK, network=replace(QUICK.network, widths=(4, 8, 8)))

    with pytest.raises(TrainingError, match="another network"):
        train(other, TRAIN_SET, None, tmp_path, lambda _: None, OPTIONS, start=load(trained[0]))
