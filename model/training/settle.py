"""Lets the batch norms of a trained network settle on slices as they are, not as training saw them.

Noise, gain and cut-outs of the augmentation move what a norm remembers away from what it meets in
a search. No weight is learnt here.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from model.errors import TrainingError
from model.training.network import EmbeddingNetwork
from model.training.trainee import Trainee

_AT_ONCE = 64
_Norm = nn.BatchNorm1d | nn.BatchNorm2d


@torch.no_grad()
def settle(trainee: Trainee, images: NDArray[np.float32], seed: int, device: str) -> None:
    """Give the network's norms the mean statistics of prepared slices (N, S, S), in place.

    The slices go through in batches that a seed draws, each norm working with its batch's own
    statistics, and those are averaged over the batches (Wu and Johnson 2021, arXiv:2105.07576).
    All of it is float32, as validation and searching are; the heads stay as they are. Raises
    TrainingError if a norm of the network sees no slice on its way to the features: it would be
    left without any statistics.
    """
    network = trainee.network
    norms = _norms(network)
    usual = [norm.momentum for norm in norms.values()]
    trainee.eval()
    for norm in norms.values():
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
        norm.train()
    drawn = np.random.default_rng(seed).permutation(len(images))
    for chosen in np.array_split(drawn, -(-len(images) // _AT_ONCE)):
        batch = torch.from_numpy(images[chosen])[:, None]
        network.pool(network.maps(batch.to(device, memory_format=torch.channels_last)))
    _refuse_unseen(norms)
    for norm, momentum in zip(norms.values(), usual, strict=True):
        norm.momentum = momentum
    trainee.eval()


def _norms(network: EmbeddingNetwork) -> dict[str, _Norm]:
    """Those that remember anything, by name."""
    modules = network.named_modules()
    return {
        name: module
        for name, module in modules
        if isinstance(module, _Norm) and module.track_running_stats
    }


def _refuse_unseen(norms: dict[str, _Norm]) -> None:
    for name, norm in norms.items():
        if norm.num_batches_tracked == 0:
            raise TrainingError(
                f"{name} of the network cannot settle: no slice reaches it on the way to the "
                "features. Say settle = false in [schedule], in another folder"
            )
