"""What the encoder is compared with is trained as it is, and is what it is called."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.compare.contenders import contenders
from benchmarks.resnet import RESNET_18, RESNET_50, Block, ResNet, ResNetConfig
from model.msnet import BaseModule, MSNet
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


def test_none_has_calm_epochs_or_settled_norms() -> None:
    """The published figures are of the recipe without its end, and so must later ones be."""
    for contender in contenders(size=128, epochs=36, seed=1):
        schedule = contender.config.schedule
        assert (schedule.lively_epochs, schedule.settle) == (36, False), contender.name


def test_what_is_not_the_network_s_shape_is_the_same_for_all() -> None:
    """Else a mirror image or a dropped branch would pass for a better network."""
    for contender in contenders(size=128, epochs=3, seed=1):
        network = contender.config.network
        with torch.device("meta"):
            made = contender.make_network(replace(network, drop_path=0.25, mirrored=True))
            plain = contender.make_network(replace(network, drop_path=0.0, mirrored=False))
        assert isinstance(made, MSNet | ResNet)
        assert isinstance(plain, MSNet | ResNet)
        shares, none = _drop_paths(made), set(_drop_paths(plain))

        assert shares[0] == 0.0, contender.name
        assert shares[-1] == 0.25, contender.name
        assert all(b > a for a, b in pairwise(shares)), contender.name
        assert none == {0.0}, contender.name
        assert (made.config.mirrored, plain.config.mirrored) == (True, False), contender.name


def _drop_paths(network: nn.Module) -> list[float]:
    return [m.drop_path for m in network.modules() if isinstance(m, BaseModule | Block)]


def test_a_slice_and_its_mirror_image_lie_together_for_every_contender() -> None:
    torch.set_num_threads(1)
    images = torch.rand((2, 1, 32, 32), generator=torch.manual_seed(5))
    for contender in contenders(size=32, epochs=3, seed=1):
        assert contender.config.network.mirrored
        network = contender.make_network(contender.config.network).eval()
        with torch.no_grad():
            torch.testing.assert_close(network.embed(images), network.embed(images.flip(-1)))


def test_a_mirrored_resnet_s_features_are_the_mean_of_both_sides() -> None:
    images = torch.rand((2, 1, 32, 32), generator=torch.manual_seed(5))
    network, both = ResNet(TINY).eval(), ResNet(replace(TINY, mirrored=True)).eval()
    both.load_state_dict(network.state_dict())
    with torch.no_grad():
        mean = (network(images) + network(images.flip(-1))) / 2

        torch.testing.assert_close(both(images), mean)
        torch.testing.assert_close(both.train()(images), network.train()(images))


def test_a_block_drops_its_branch_in_training_alone() -> None:
    torch.manual_seed(0)
    block = Block(4, 4, stride=1, bottleneck=False, drop_path=0.5)
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()  # statistics of the batch would tie its slices to each other
    images = torch.rand(200, 4, 4, 4)
    with torch.no_grad():
        dropped = (block(images) == images).flatten(1).all(dim=1)
        whole = block.eval()(images)
        branch = block.parts[1](block.parts[0](images).relu())
        kept = (images + 2 * branch).relu()
        block.training = True
        torch.manual_seed(1)
        trained = block(images)

    assert 70 < int(dropped.sum()) < 130
    torch.testing.assert_close(whole, (images + branch).relu())
    for slice_, as_kept, as_dropped in zip(trained, kept, images, strict=True):
        assert torch.equal(slice_, as_dropped) or torch.allclose(slice_, as_kept)
