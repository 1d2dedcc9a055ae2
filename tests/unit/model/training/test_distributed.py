"""Two processes train as one does: same gradients, same weights on both, one checkpoint."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import multiprocessing

from model.checkpoint import load
from model.errors import TrainingError
from model.training.batch import Batch, make_batch
from model.training.config import HashConfig
from model.training.distributed import World, join_world
from model.training.losses import total_loss
from model.training.steps import gathered
from model.training.train import fit
from model.training.trainee import Trainee
from tests.support.service import free_port
from tests.unit.model.made import dataset
from tests.unit.model.training.runs import train
from tests.unit.model.training.settings import QUICK, STILL

TRAIN_SET, VALIDATION_SET = dataset(32, seed=1), dataset(16, seed=2)
CHOSEN = np.array([0, 1, 6, 7, 12, 13, 18, 19])
CONFIG = replace(
    QUICK,
    schedule=replace(QUICK.schedule, epochs=1, settle=True),
    augment=STILL,
    hash=HashConfig(bits=64, steps=5),
)


def evaluating_trainee() -> Trainee:
    """Norms use what they remember, so that the rest of the batch has no say in them."""
    torch.manual_seed(1)
    return Trainee(CONFIG, num_classes=2).eval()


def batch(chosen: np.ndarray) -> Batch:
    return make_batch(TRAIN_SET, chosen, STILL, torch.Generator().manual_seed(1))


def gradients(world: World) -> dict[str, torch.Tensor]:
    """Those of all losses of the chosen slices, of which this process embeds its share."""
    trainee, part = evaluating_trainee(), batch(world.shard(CHOSEN))
    embedding, heads, whole = gathered(*trainee(part.images), part, world)
    total_loss(embedding, heads, whole, CONFIG.loss).total.backward()
    world.average_gradients(trainee)
    return {name: p.grad for name, p in trainee.named_parameters() if p.grad is not None}


def as_one_of_two(rank: int, folder: Path, port: int) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with join_world("cpu") as world:
        torch.save(gradients(world), folder / f"gradients-{rank}.pt")
        seen: list[object] = []
        path = train(CONFIG, TRAIN_SET, VALIDATION_SET, folder / "run", seen.append, world=world)
        state = fit(CONFIG, TRAIN_SET, None, folder / "run", seen.append, world=world)
        found = {"path": str(path), "weights": state.trainee.state_dict(), "average": state.average}
        torch.save(found, folder / f"trained-{rank}.pt")


@pytest.fixture(scope="module")
def left_by_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that two processes filled."""
    folder = tmp_path_factory.mktemp("two")
    multiprocessing.spawn(as_one_of_two, (folder, free_port()), nprocs=2)
    return folder


def test_gradients_are_those_of_the_whole_batch(left_by_two: Path) -> None:
    expected = gradients(World())
    for rank in (0, 1):
        found = torch.load(left_by_two / f"gradients-{rank}.pt")
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-4, msg=name)


def test_a_share_alone_would_give_others() -> None:
    expected = gradients(World())
    trainee, part = evaluating_trainee(), batch(CHOSEN[:4])
    total_loss(*trainee(part.images), part, CONFIG.loss).total.backward()
    own = trainee.network.embedding.weight.grad

    assert own is not None
    assert not torch.allclose(own, expected["network.embedding.weight"], rtol=0.05)


def test_both_end_with_the_same_weights_and_one_checkpoint(left_by_two: Path) -> None:
    one, other = (torch.load(left_by_two / f"trained-{rank}.pt") for rank in (0, 1))

    for part in ("weights", "average"):
        for name, tensor in one[part].items():
            assert torch.equal(tensor, other[part][name]), name
    (path,) = (left_by_two / "run").glob("*.safetensors")
    assert one["path"] == other["path"] == str(path)
    assert "validation_macro_map" in load(path).info.metrics


def test_alone_a_world_changes_nothing() -> None:
    world = World()
    part = torch.rand(3, 2)

    assert world.is_main
    assert world.gather(part) is part
    assert world.device("cuda") == "cuda"
    np.testing.assert_array_equal(world.shard(CHOSEN), CHOSEN)


def test_each_process_has_its_own_gpu_and_share() -> None:
    world = World(rank=3, size=4, local_rank=1)

    assert not world.is_main
    assert (world.device("cuda"), world.device("cpu")) == ("cuda:1", "cpu")
    np.testing.assert_array_equal(world.shard(CHOSEN), [18, 19])


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(TrainingError, match="does not divide among 3 processes"):
        World(rank=0, size=3).shard(CHOSEN)


def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join_world("cpu") as world:
        assert world == World()
