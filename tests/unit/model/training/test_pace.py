"""How fast a run learns, and when it grows calm."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.checkpoint import load
from model.training.config import AugmentConfig, ScheduleConfig
from model.training.pace import Pace, one_cycle
from model.training.recipes import read_recipe
from model.training.state import TrainingState
from tests.unit.model.training.runs import (
    OPTIONS,
    TRAIN_SET,
    VALIDATION_SET,
    Interrupted,
    interrupt_at,
    run,
    scheduled,
    train,
)
from tests.unit.model.training.settings import QUICK

SCHEDULE = ScheduleConfig(
    epochs=11, peak_learning_rate=1.0, calm=0.2, calm_learning_rate=0.1, warm_up=0.5
)


def rates(pace: Pace) -> list[float]:
    return [pace.rate(step) for step in range(pace.total)]


def test_the_rate_climbs_to_its_peak_and_falls_to_zero() -> None:
    rates = [one_cycle(step, 100, 2.0, warm_up=0.25) for step in range(101)]

    assert max(rates) == rates[24] == rates[25] == pytest.approx(2.0)
    assert rates[:25] == sorted(rates[:25])
    assert rates[25:] == sorted(rates[25:], reverse=True)
    assert rates[100] == pytest.approx(0, abs=1e-12)


def test_in_the_calm_epochs_it_climbs_and_falls_once_more() -> None:
    pace = Pace.of(SCHEDULE, steps=10)

    assert SCHEDULE.lively_epochs == 9  # a fifth of eleven is two whole epochs
    assert (pace.lively, pace.total) == (90, 110)
    found = rates(pace)
    assert found[:90] == [one_cycle(step, 90, 1.0, 0.5) for step in range(90)]
    assert found[90:] == [one_cycle(step, 20, 0.1, 0.5) for step in range(20)]


def test_calm_epochs_never_climb_higher_than_the_lively_ones_before() -> None:
    """Who lowers the peak, to begin with weights that are good already, means the whole run."""
    low = replace(SCHEDULE, peak_learning_rate=0.01)
    found = rates(Pace.of(low, steps=10))

    assert found[90:] == [one_cycle(step, 20, 0.01, 0.5) for step in range(20)]
    alone = Pace.of(replace(low, calm=1.0), steps=10)
    assert rates(alone) == [one_cycle(step, 110, 0.1, 0.5) for step in range(110)]


def test_the_average_begins_anew_with_them() -> None:
    pace = Pace.of(SCHEDULE, steps=10)

    assert [pace.age(step) for step in (0, 1, 89, 90, 109)] == [0, 1, 89, 0, 19]


def test_without_calm_epochs_there_is_one_cycle() -> None:
    """As there was before there were any."""
    pace = Pace.of(replace(SCHEDULE, calm=0.0), steps=10)

    assert rates(pace) == [one_cycle(step, 110, 1.0, 0.5) for step in range(110)]
    assert [pace.age(step) for step in (0, 50, 109)] == [0, 50, 109]


@pytest.mark.parametrize(("epochs", "calm"), [(66, 6), (60, 6), (19, 1), (9, 0), (1, 0)])
def test_of_the_recipe_a_tenth_is_calm_and_of_a_short_run_none(epochs: int, calm: int) -> None:
    schedule = replace(read_recipe().schedule, epochs=epochs)

    assert schedule.epochs - schedule.lively_epochs == calm


@pytest.mark.parametrize(
    ("epochs", "share", "calm"),
    [(90, 0.7, 63), (100, 0.29, 29), (3, 1 / 3, 1), (99, 0.7, 69), (7, 1.0, 7)],
)
def test_the_calm_share_is_that_of_the_numbers_as_written(
    epochs: int, share: float, calm: int
) -> None:
    schedule = replace(SCHEDULE, epochs=epochs, calm=share)

    assert schedule.epochs - schedule.lively_epochs == calm


def test_calm_slices_vary_less_and_are_still_mirrored() -> None:
    lively = AugmentConfig(calm=0.5)
    calm = lively.calmed()

    assert calm.rotation_degrees == lively.rotation_degrees / 2
    assert calm.cut_out == lively.cut_out / 2
    assert calm.max_scale == pytest.approx(lively.max_scale**0.5)
    assert calm.flip is True
    assert AugmentConfig().calmed() == AugmentConfig()
    none = AugmentConfig(calm=0.0).calmed()
    assert (none.max_scale, none.max_aspect, none.noise, none.strip) == (1.0, 1.0, 0.0, 0.0)


def test_a_run_grows_calm_in_its_last_epochs(tmp_path: Path) -> None:
    """Until then how calm they are does not show; then slices vary less, so the loss is another."""
    still, lively = (
        run(replace(scheduled(calm=0.5), augment=replace(QUICK.augment, calm=reach)), folder)[1]
        for reach, folder in ((0.0, tmp_path / "still"), (1.0, tmp_path / "lively"))
    )

    assert [metrics.loss for metrics in still[:2]] == [metrics.loss for metrics in lively[:2]]
    assert still[2].loss != lively[2].loss
    assert [metrics.learning_rate for metrics in still] == [
        pytest.approx(one_cycle(step, 16, peak, 0.15)) for peak in (5e-3, 3e-4) for step in (7, 15)
    ]


def test_a_run_begins_its_average_anew_when_it_grows_calm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ages: list[int] = []
    monkeypatch.setattr(TrainingState, "update_average", lambda _, age: ages.append(age))
    run(scheduled(epochs=2, calm=0.5), tmp_path)

    steps = len(TRAIN_SET) // QUICK.sampling.batch_size
    assert ages == [*range(1, steps + 1)] * 2


def test_an_interruption_among_the_calm_epochs_does_not_show(tmp_path: Path) -> None:
    config = scheduled(calm=0.5)
    whole, _ = run(config, tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(config, TRAIN_SET, VALIDATION_SET, tmp_path / "cut", interrupt_at(3), OPTIONS)
    cut, seen = run(config, tmp_path / "cut")

    assert [metrics.epoch for metrics in seen] == [4]
    expected = load(whole).weights
    for name, weights in load(cut).weights.items():
        np.testing.assert_allclose(weights, expected[name], atol=1e-6, err_msg=name)


def test_a_run_without_calm_epochs_is_called_as_before_there_were_any() -> None:
    facts = QUICK.identity()

    assert "calm" not in facts["augment"]
    assert not {"calm", "calm_learning_rate"} & facts["schedule"].keys()
    facts = read_recipe().identity()
    assert facts["augment"]["calm"] == 0.3
    assert facts["schedule"]["calm"] == 0.1
