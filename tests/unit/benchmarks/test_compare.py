"""What the encoder is compared with is trained as it is, and is what it is called."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.compare.contenders import contenders
from benchmarks.resnet import RESNET_18, RESNET_50, ResNet, ResNetConfig
from model.training.config import RunOptions
from model.training.embedding import embed
from model.training.train import fit
from tests.unit.model.made import dataset
from tests.unit.model.training.settings import QUICK

TINY = ResNetConfig((1, 1, 1, 1), bottlenecks=False, embedding_dim=64)


@pytest.mark.parametrize(("config", "weights"), [(RESNET_18, 11.17), (RESNET_50, 23.50)])
def test_a_resnet_has_as_many_weights_as_its_paper_s(config: ResNetConfig, weights: float) -> None:
    """With one channel in, and without the classifier or the embedding."""
    with torch.device("meta"):
        made = ResNet(config)
    trunk = [p.numel() for name, p in made.named_parameters() if not name.startswith("embedding")]

    assert sum(trunk) / 1e6 == pytest.approx(weights, abs=0.01)


def test_a_resnet_trains_in_the_encoder_s_place(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    losses: list[float] = []
    train_set = dataset(32)
    config = replace(QUICK, schedule=replace(QUICK.schedule, epochs=2))
    state = fit(
        config,
        train_set,
        None,
        tmp_path,
        lambda metrics: losses.append(metrics.loss),
        RunOptions(threads=1),
        make_network=lambda _: ResNet(TINY),
    )
    embeddings = embed(state.averaged(), train_set.images, "cpu")

    assert losses[-1] < losses[0]
    assert embeddings.shape == (32, 64)
    assert isinstance(state.averaged(), ResNet)


def test_contenders_differ_in_one_thing_each() -> None:
    recipe, *others = (c.config.identity() for c in contenders(size=128, epochs=3, seed=1))

    def differing(other: dict[str, object]) -> set[str]:
        return {name for name in recipe if other[name] != recipe[name]} - {"data_statement"}

    assert [differing(other) for other in others] == [
        {"loss"},
        {"network"},
        {"network"},
        set(),
        set(),
    ]
    assert len({str(config["data_statement"]) for config in (recipe, *others)}) == 6
    assert all(config["preprocess"]["size"] == 128 for config in (recipe, *others))
