"""The networks under measurement, each ready for inference in the same way.

All get what the encoder gets in the service: batch norms folded, channels_last, NumPy in and out.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.resnet import RESNET_50, ResNet
from model.checkpoint import Checkpoint, default_checkpoint, load
from model.embedder import Embedder
from model.fold import fold_convolutions
from model.lanes import Lanes

Embed = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Contender:
    """One way to turn prepared slices (B, S, S) into vectors."""

    name: str
    embed: Embed


def contenders(checkpoint: Checkpoint, size: int) -> tuple[Contender, ...]:
    """The encoder, in both precisions, and the ResNet-50 for slices of `size` pixels.

    The encoder computes the slices of a batch side by side, each on a core. So that this alone is
    not what is measured, the ResNet-50 runs both ways.
    """
    preprocess = replace(checkpoint.info.preprocess, size=size)
    sized = replace(checkpoint, info=replace(checkpoint.info, preprocess=preprocess))
    whole, lanes = _resnet50(), Lanes(torch.get_num_threads())

    def side_by_side(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate(lanes.map(whole, np.split(batch, len(batch))))

    return (
        Contender("Precuneus' encoder", Embedder(sized).coordinates),
        Contender("the same in bfloat16", Embedder(sized, precision="bfloat16").coordinates),
        Contender("ResNet-50", whole),
        Contender("ResNet-50, side by side", side_by_side),
    )


def shipped() -> Checkpoint:
    """The encoder that ships with the package."""
    return load(default_checkpoint())


def _resnet50() -> Embed:
    torch.manual_seed(0)
    network = fold_convolutions(ResNet(RESNET_50).eval()).requires_grad_(False)
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def embed(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            images = torch.from_numpy(batch)[:, None].to(memory_format=torch.channels_last)
            found: NDArray[np.float32] = network(images).numpy()
        return found

    return embed
