"""Norms settle on slices as they are, and nothing else changes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.checkpoint import load
from model.embedder import Embedder
from model.errors import TrainingError
from model.evaluation.measures import score
from model.training.config import AugmentConfig, ScheduleConfig, TrainConfig
from model.training.recipes import read_recipe
from model.training.settle import settle
from model.training.trainee import Trainee
from tests.unit.model.made import dataset, slices
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

SETTLING = replace(
    scheduled(epochs=2, settle=True),
    augment=AugmentConfig(flip=False, gain=0.9, offset=0.5, noise=0.3),
)
MEMORIES = ("running_mean", "running_var")


def norms(trainee: Trainee) -> list[nn.BatchNorm2d]:
    return [module for module in trainee.modules() if isinstance(module, nn.BatchNorm2d)]


def strayed(seed: int = 1) -> Trainee:
    """Its norms remember darker, noisier slices than there are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trainee = Trainee(QUICK, num_classes=2)
        for _ in range(20):
            trainee(torch.randn(8, 1, 16, 16) * 0.1)
    return trainee.eval()


def settled(images: np.ndarray, seed: int = 1) -> Trainee:
    trainee = strayed()
    settle(trainee, images, seed, "cpu")
    return trainee


def maps(trainee: Trainee, images: np.ndarray) -> tuple[Tensor, ...]:
    with torch.no_grad():
        return trainee.network.maps(torch.from_numpy(images)[:, None])


def test_a_settled_network_sees_slices_as_if_their_statistics_were_taken_from_them() -> None:
    images = TRAIN_SET.images  # they fit into one batch
    found = maps(settled(images), images)
    expected = maps(strayed().train(), images)
    before = maps(strayed(), images)

    for now, should, was in zip(found, expected, before, strict=True):
        torch.testing.assert_close(now, should, atol=0.02, rtol=0.02)
        assert not torch.allclose(was, should, atol=0.1, rtol=0.1)


def test_of_several_batches_the_mean_counts() -> None:
    images = dataset(128, seed=4).images  # two batches of the same size
    trainee = settled(images)
    convolution, norm = trainee.network.stem[0]
    with torch.no_grad():
        seen = convolution(torch.from_numpy(images)[:, None])

    torch.testing.assert_close(norm.running_mean, seen.mean(dim=(0, 2, 3)), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (64, [64]), (65, [33, 32]), (129, [43, 43, 43])]
)
def test_no_slice_is_a_batch_of_its_own(count: int, sizes: list[int]) -> None:
    """One slice more than fits a batch must not weigh as much as all others."""
    seen: list[int] = []
    trainee = strayed()
    trainee.network.stem.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    settle(trainee, slices(count, seed=4), 1, "cpu")

    assert seen == sizes


class Pooling(nn.Module):
    """A scale's mean, centred and scaled by a norm of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = self.norm(maps.mean(dim=(-2, -1)))
        return found


def test_norms_behind_the_pooling_settle_too() -> None:
    trainee = strayed()
    pool = trainee.network.pools[-1] = Pooling(16)
    pool.norm.running_mean.fill_(7.0)
    settle(trainee, TRAIN_SET.images, 1, "cpu")

    means = maps(strayed().train(), TRAIN_SET.images)[-1].mean(dim=(0, 2, 3))
    torch.testing.assert_close(pool.norm.running_mean, means, atol=1e-4, rtol=1e-3)
    assert not pool.norm.training
    assert pool.norm.momentum == 0.1


def test_a_norm_that_no_slice_reaches_is_named() -> None:
    """Else it would be left with a mean of nought and a variance of one."""
    trainee = strayed()
    trainee.network.spare = nn.BatchNorm2d(4)

    with pytest.raises(TrainingError, match="spare of the network cannot settle"):
        settle(trainee, TRAIN_SET.images, 1, "cpu")


def test_norms_of_the_heads_are_let_alone_whatever_they_are() -> None:
    trainee = strayed()
    trainee.heads.spare = nn.BatchNorm2d(4)
    trainee.heads.spare.running_mean.fill_(7.0)
    settle(trainee, TRAIN_SET.images, 1, "cpu")

    assert trainee.heads.spare.running_mean.tolist() == [7.0] * 4


def test_nothing_is_learnt_and_the_heads_stay() -> None:
    before, after = strayed().state_dict(), settled(TRAIN_SET.images).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}

    assert changed
    assert all(name.startswith("network.") for name in changed)
    assert all(name.endswith((*MEMORIES, "num_batches_tracked")) for name in changed)


def test_a_settled_network_can_be_trained_on_as_before() -> None:
    trainee = settled(TRAIN_SET.images)

    assert not any(module.training for module in trainee.modules())
    assert {norm.momentum for norm in norms(trainee)} == {0.1}


def test_the_same_slices_and_seed_give_the_same_norms() -> None:
    images = dataset(150, seed=4).images
    one, again, other = (settled(images, seed).state_dict() for seed in (1, 1, 2))

    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The checkpoints of one run that settled, and of the same that did not."""
    folder = tmp_path_factory.mktemp("both")
    off = replace(SETTLING, schedule=replace(SETTLING.schedule, settle=False))
    return run(SETTLING, folder / "on")[0], run(off, folder / "off")[0]


def test_a_run_settles_at_its_end_and_is_else_the_same(both: tuple[Path, Path]) -> None:
    on, off = (load(path).weights for path in both)

    for name, weights in on.items():
        assert np.array_equal(weights, off[name]) != name.endswith(MEMORIES), name


def test_the_figures_of_a_run_are_those_of_the_settled_network(both: tuple[Path, Path]) -> None:
    on, off = (load(path) for path in both)
    found = []
    for checkpoint in (on, off):
        embed = Embedder(checkpoint).coordinates
        sets = (VALIDATION_SET, TRAIN_SET)
        (queries, gallery) = (embed(part.images) for part in sets)
        found.append(score(queries, sets[0].labels, gallery, sets[1].labels).macro_map)

    assert found[0] != pytest.approx(found[1], abs=1e-3)
    assert on.info.metrics["validation_macro_map"] == pytest.approx(found[0], abs=1e-4)


def test_a_finished_run_that_is_started_again_gives_the_same_file(
    both: tuple[Path, Path],
) -> None:
    again, seen = run(SETTLING, both[0].parent)

    assert seen == []
    assert again == both[0]


def test_an_interrupted_run_settles_as_an_uninterrupted_one(
    both: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        train(SETTLING, TRAIN_SET, VALIDATION_SET, tmp_path, interrupt_at(1), OPTIONS)
    path, _ = run(SETTLING, tmp_path)

    expected = load(both[0]).weights
    for name, weights in load(path).weights.items():
        np.testing.assert_allclose(weights, expected[name], atol=1e-6, err_msg=name)


def test_it_is_on_in_the_recipe_and_off_in_what_older_files_mean() -> None:
    recipe = read_recipe()
    off = replace(recipe, schedule=replace(recipe.schedule, settle=False))

    assert recipe.schedule.settle
    assert recipe.identity()["schedule"]["settle"] is True
    assert not ScheduleConfig().settle
    assert "settle" not in off.identity()["schedule"]
    assert TrainConfig() == recipe
