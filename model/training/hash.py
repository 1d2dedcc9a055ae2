"""Learns a hash layer beside an encoder: codes whose distance follows the labels.

Whether beside the other heads or at the end of a run, it changes nothing of the embeddings, so an
encoder with codes finds exactly what it finds without.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from model.errors import TrainingError
from model.training.config import HashConfig

_BITS = (64, 128, 256)
_BATCH = 256
_SMALLEST = 1e-6
_STEEPNESS = 8.0  # logit of a pair whose codes are the same


@dataclass(frozen=True)
class HashLayer:
    """`weight` (bits, D), `bias` (bits,): the signs of weight @ coordinates + bias are a code."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


def fit_hash(
    coordinates: NDArray[np.float32],
    labels: NDArray[np.int64],
    config: HashConfig,
    seed: int,
    start: HashLayer | None = None,
) -> HashLayer:
    """The layer for coordinates (N, D) of the training slices and their labels (N,).

    It begins with `start`, or as random hyperplanes through the middle of the data, which keep
    angles (Charikar 2002), and learns from pairs. Raises TrainingError unless `config.bits` is 64,
    128 or 256.
    """
    if config.bits not in _BITS:
        raise TrainingError(f"a hash has 64, 128 or 256 bits, not {config.bits}")
    generator = torch.Generator().manual_seed(seed)
    points, known = torch.from_numpy(coordinates), torch.from_numpy(labels)
    start = start or _hyperplanes(points, config.bits, generator)
    weight = nn.Parameter(torch.tensor(start.weight))
    bias = nn.Parameter(torch.tensor(start.bias))
    optimizer = torch.optim.Adam([weight, bias], lr=config.learning_rate)
    for _ in range(config.steps):
        chosen = torch.randint(len(points), (_BATCH,), generator=generator)
        outputs = torch.tanh(points[chosen] @ weight.T + bias)
        loss = hash_loss(outputs, known[chosen], config.quantisation)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return HashLayer(weight.detach().numpy(), bias.detach().numpy())


def _hyperplanes(points: Tensor, bits: int, generator: torch.Generator) -> HashLayer:
    middle = points.mean(dim=0)
    spread = (points - middle).norm(dim=1).mean().clamp(min=1e-6)
    weight = torch.randn(bits, points.shape[1], generator=generator) / spread
    return HashLayer(weight.numpy(), -(weight @ middle).numpy())


def layer_of(
    planes: NDArray[np.float32], basis: NDArray[np.float64], coordinates: NDArray[np.float32]
) -> HashLayer:
    """A trained head as a layer over coordinates, with its norm folded in.

    `planes` is (bits, E) and `basis` (E, D), an embedding being `basis @ coordinates`; the norm's
    middle is that of `coordinates` (N, D).
    """
    turned = planes @ basis
    outputs = coordinates @ turned.T
    scale = 1 / np.maximum(outputs.std(axis=0), _SMALLEST)
    weight, bias = turned * scale[:, None], -outputs.mean(axis=0) * scale
    return HashLayer(weight.astype(np.float32), bias.astype(np.float32))


def hash_loss(outputs: Tensor, labels: Tensor, quantisation: float) -> Tensor:
    """Pairwise likelihood and quantisation of soft codes (B, bits) in -1..1.

    Li, Wang and Kang 2016 (DPSH, arXiv:1511.03855), equation 6, with the inner product scaled by
    the number of bits, and equal and unequal pairs counted alike as in HashNet (Cao et al. 2017).
    """
    likeness = _STEEPNESS * (outputs @ outputs.T) / outputs.shape[1]
    same = labels[:, None] == labels
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    losses = functional.softplus(torch.where(same, -likeness, likeness))
    alike, unlike = losses[same & ~itself], losses[~same]
    pairs = torch.stack([part.mean() for part in (alike, unlike) if part.numel()]).mean()
    return pairs + quantisation * (outputs.abs() - 1).square().mean()
