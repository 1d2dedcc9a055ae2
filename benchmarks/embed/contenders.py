"""The networks under measurement, each ready for inference in the same way.

Both get what the encoder gets in the service: batch norms folded, channels_last, NumPy in and out.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchmarks.resnet50 import ResNet50
from model.checkpoint import Checkpoint, default_checkpoint, load
from model.embedder import Embedder

Embed = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Contender:
    """One way to turn prepared slices (B, S, S) into vectors."""

    name: str
    embed: Embed


def contenders(checkpoint: Checkpoint, size: int) -> tuple[Contender, ...]:
    """The encoder and the ResNet-50 for slices of `size` pixels.

    The encoder takes a batch in small parts, which suits a CPU's cache; so that this alone is not
    what is measured, the ResNet-50 runs both ways.
    """
    preprocess = replace(checkpoint.info.preprocess, size=size)
    sized = replace(checkpoint, info=replace(checkpoint.info, preprocess=preprocess))
    embedder = Embedder(sized, "cpu")
    whole, part = _resnet50(), embedder.micro_batch

    def in_parts(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = [whole(batch[start : start + part]) for start in range(0, len(batch), part)]
        return np.concatenate(parts)

    return (
        Contender("Precuneus' encoder", embedder.coordinates),
        Contender("ResNet-50", whole),
        Contender(f"ResNet-50 in parts of {part}", in_parts),
    )


def shipped() -> Checkpoint:
    """The encoder that ships with the package."""
    return load(default_checkpoint())


def _resnet50() -> Embed:
    torch.manual_seed(0)
    network = fold(ResNet50().eval()).requires_grad_(False)
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def embed(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            images = torch.from_numpy(batch)[:, None].to(memory_format=torch.channels_last)
            found: NDArray[np.float32] = network(images).numpy()
        return found

    return embed


def fold(network: nn.Module) -> nn.Module:
    """Merge every batch norm into the convolution before it, in place."""
    for module in network.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for number in range(len(module) - 1):
            convolution, norm = module[number], module[number + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[number] = fuse_conv_bn_eval(convolution, norm)
                module[number + 1] = nn.Identity()
    return network
