"""What is compared: the recipe, the recipe with one thing taken away, and other networks."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.resnet import RESNET_18, RESNET_50, ResNet, ResNetConfig
from model.msnet import MSNet
from model.network_config import MSNetConfig
from model.training.config import TrainConfig
from model.training.network import MakeNetwork
from model.training.recipes import read_recipe


@dataclass(frozen=True)
class Contender:
    """One way to make an encoder; `key` names its folder."""

    key: str
    name: str
    config: TrainConfig
    make_network: MakeNetwork = MSNet


def contenders(size: int, epochs: int, seed: int) -> tuple[Contender, ...]:
    """All of them, the recipe itself first; what is not named is the same for all."""
    recipe = _sized(read_recipe(), size, epochs, seed)
    network = recipe.network

    def changed(key: str, name: str, change: Callable[[TrainConfig], TrainConfig]) -> Contender:
        return Contender(key, name, _told(change(recipe), key))

    def resnet(key: str, name: str, shape: ResNetConfig) -> Contender:
        return Contender(key, name, _told(recipe, key), lambda like: ResNet(_as(shape, like)))

    return (
        Contender("msnet", "MSNet, the recipe", _told(recipe, "msnet")),
        changed("softmax", "softmax alone (the paper)", _softmax),
        changed(
            "no-concat",
            "MSNet without the concat",
            lambda c: replace(c, network=replace(network, concat=False)),
        ),
        changed(
            "last-scale",
            "MSNet, last scale only",
            lambda c: replace(c, network=replace(network, pooled_scales=(2,))),
        ),
        resnet("resnet-18", "ResNet-18", RESNET_18),
        resnet("resnet-50", "ResNet-50", RESNET_50),
    )


def _as(shape: ResNetConfig, like: MSNetConfig) -> ResNetConfig:
    """What the recipe gives its network and any network can have: it is no part of the shape."""
    return replace(
        shape,
        embedding_dim=like.embedding_dim,
        drop_path=like.drop_path,
        mirrored=like.mirrored,
    )


def _sized(config: TrainConfig, size: int, epochs: int, seed: int) -> TrainConfig:
    """Without calm epochs and settled norms, as the figures of docs/experiments.md are."""
    schedule = replace(config.schedule, epochs=epochs, seed=seed, calm=0.0, settle=False)
    return replace(config, preprocess=replace(config.preprocess, size=size), schedule=schedule)


def _softmax(config: TrainConfig) -> TrainConfig:
    return replace(config, loss=read_recipe("softmax").loss)


def _told(config: TrainConfig, key: str) -> TrainConfig:
    """What its checkpoint would say; the network's kind is not in a configuration."""
    return replace(config, data_statement=f"comparison: {key}")
