"""An interruption does not show, and a run does not go on as something else."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.checkpoint import load
from model.errors import TrainingError
from model.msnet import MSNet
from model.training.origin import Origin
from model.training.train import fit
from tests.unit.model.made import dataset
from tests.unit.model.training.runs import (
    OPTIONS,
    TRAIN_SET,
    VALIDATION_SET,
    Interrupted,
    Trained,
    interrupt_at,
    run,
    scheduled,
    train,
)
from tests.unit.model.training.settings import QUICK


def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    trained: Trained, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        train(QUICK, TRAIN_SET, VALIDATION_SET, tmp_path, interrupt_at(2), OPTIONS)
    path, seen = run(QUICK, tmp_path)

    assert [metrics.epoch for metrics in seen] == [3, 4]
    expected = load(trained[0]).weights
    for name, weights in load(path).weights.items():
        np.testing.assert_allclose(weights, expected[name], atol=1e-6, err_msg=name)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first, _ = run(scheduled(epochs=1), tmp_path)
    again, seen = run(scheduled(epochs=1), tmp_path)

    assert seen == []
    assert again == first


def test_another_configuration_does_not_go_on_from_this_one(tmp_path: Path) -> None:
    run(scheduled(epochs=1), tmp_path)

    with pytest.raises(TrainingError, match="another configuration"):
        run(scheduled(epochs=1, seed=2), tmp_path)


def test_a_run_does_not_go_on_with_other_slices(tmp_path: Path) -> None:
    """Else a fold that was trained on could validate, and the checkpoint would not list it."""
    with pytest.raises(Interrupted):
        train(scheduled(epochs=2), TRAIN_SET, None, tmp_path, interrupt_at(1), OPTIONS)
    fewer, left_out = TRAIN_SET.subset(range(48)), TRAIN_SET.subset(range(48, 64))

    with pytest.raises(TrainingError, match="there are 48 training slices; there were 64"):
        train(scheduled(epochs=2), fewer, left_out, tmp_path, lambda _: None, OPTIONS)


def test_a_run_does_not_go_on_with_other_labels(tmp_path: Path) -> None:
    train(scheduled(epochs=1), TRAIN_SET, None, tmp_path, lambda _: None, OPTIONS)
    labels = np.arange(64) % 3
    more = replace(TRAIN_SET, labels=labels, label_names=("dark", "bright", "new"))

    with pytest.raises(TrainingError, match="the labels are dark, bright, new; they were dark, br"):
        train(scheduled(epochs=1), more, None, tmp_path, lambda _: None, OPTIONS)


def test_a_run_goes_on_whatever_is_said_of_its_data(tmp_path: Path) -> None:
    """The statement counts labels, validation slices among them, and may be put better."""
    run(scheduled(epochs=1), tmp_path)
    path, seen = run(replace(scheduled(epochs=1), data_statement="said better"), tmp_path)

    assert seen == []
    assert load(path).info.data_statement == "said better"


def test_another_network_does_not_go_on_from_this_one(tmp_path: Path) -> None:
    run(scheduled(epochs=1), tmp_path)
    wider = replace(QUICK.network, widths=(8, 8, 16))

    with pytest.raises(TrainingError, match="a run of another network"):
        fit(
            scheduled(epochs=1),
            TRAIN_SET,
            None,
            tmp_path,
            lambda _: None,
            OPTIONS,
            make_network=lambda _: MSNet(wider),
        )


def test_a_run_of_an_older_version_is_not_taken_up(tmp_path: Path) -> None:
    torch.save({"config": QUICK.identity()}, tmp_path / "resume.pt")

    with pytest.raises(TrainingError, match="of another version"):
        run(QUICK, tmp_path)


def test_a_damaged_run_is_not_taken_up(tmp_path: Path) -> None:
    (tmp_path / "resume.pt").write_bytes(b"no run")

    with pytest.raises(TrainingError, match="damaged"):
        run(QUICK, tmp_path)


def test_an_interrupted_run_remembers_where_it_began(trained: Trained, tmp_path: Path) -> None:
    start, more = load(trained[0]), dataset(32, seed=3)
    config = scheduled(epochs=2)
    with pytest.raises(Interrupted):
        train(config, more, None, tmp_path, interrupt_at(1), OPTIONS, start=start)

    other = replace(start, name="msnet-0123456789ab")
    with pytest.raises(TrainingError, match=f"began with {start.name}, not with {other.name}"):
        train(config, more, None, tmp_path, lambda _: None, OPTIONS, start=other)
    path = train(config, more, None, tmp_path, lambda _: None, OPTIONS)

    assert load(path).info.training["started_from"] == start.name


def test_whom_the_beginning_has_seen_cannot_judge_later_on(
    trained: Trained, tmp_path: Path
) -> None:
    """Not even if the run's file says that they did all along."""
    more, seen_before = dataset(32, seed=3), TRAIN_SET.subset(range(8))
    config = scheduled(epochs=1)
    train(config, more, seen_before, tmp_path, lambda _: None, OPTIONS)
    state = torch.load(tmp_path / "resume.pt", weights_only=True)
    state["origin"] = asdict(Origin.of(load(trained[0])))
    torch.save(state, tmp_path / "resume.pt")

    with pytest.raises(TrainingError, match="trained on 2 patients or groups of the validation"):
        train(config, more, seen_before, tmp_path, lambda _: None, OPTIONS)


def test_a_run_that_began_anew_does_not_go_on_from_a_checkpoint(
    trained: Trained, tmp_path: Path
) -> None:
    more = dataset(32, seed=3)
    train(scheduled(epochs=1), more, None, tmp_path, lambda _: None, OPTIONS)

    with pytest.raises(TrainingError, match="began with random weights, not with msnet-"):
        train(
            scheduled(epochs=1),
            more,
            None,
            tmp_path,
            lambda _: None,
            OPTIONS,
            start=load(trained[0]),
        )
