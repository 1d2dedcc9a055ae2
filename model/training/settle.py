"""Lets the batch norms of a trained network settle on slices as they are, not as training saw them.

Noise, gain and cut-outs of the augmentation move what a norm remembers away from what it meets in
a search. No weight is learnt here.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from model.training.trainee import Trainee

_AT_ONCE = 64


@torch.no_grad()
def settle(trainee: Trainee, images: NDArray[np.float32], seed: int, device: str) -> None:
    """Give the network's norms the mean statistics of prepared slices (N, S, S), in place.

    The slices go through in batches that a seed draws, each norm working with its batch's own
    statistics, and those are averaged over the batches (Wu and Johnson 2021, arXiv:2105.07576).
    All of it is float32, as validation and searching are; the heads stay as they are.
    """
    network = trainee.network
    norms = [module for module in trainee.modules() if isinstance(module, nn.BatchNorm2d)]
    usual = [norm.momentum for norm in norms]
    trainee.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
        norm.train()
    drawn = np.random.default_rng(seed).permutation(len(images))
    for chosen in np.array_split(drawn, -(-len(images) // _AT_ONCE)):
        batch = torch.from_numpy(images[chosen])[:, None]
        network.maps(batch.to(device, memory_format=torch.channels_last))
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
    trainee.eval()
