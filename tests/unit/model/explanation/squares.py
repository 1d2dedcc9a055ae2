"""Pictures with one bright square each, and a network to look at them."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model.msnet import MSNet, MSNetConfig

SIZE = 64
SIDE = 12  # of a square
PLACES = ((6, 8), (40, 44), (10, 42), (44, 10))
"""Of squares' upper left corners: row, column."""


def network(stem_block: int = 1, *, mirrored: bool = False) -> MSNet:
    """An untrained network whose norms have seen such pictures, in evaluation mode."""
    config = MSNetConfig(
        stem_block=stem_block,
        widths=(8, 16, 32),
        depths=(1, 1, 1),
        mirrored=mirrored,
        embedding_dim=128,
    )
    pictures = np.stack([square(PLACES[n % 4], seed=n) for n in range(8)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        made = MSNet(config)
        with torch.no_grad():
            for _ in range(10):
                made(torch.from_numpy(pictures)[:, None])
    return made.eval()


def plain(seed: int = 0) -> NDArray[np.float32]:
    """A picture (SIZE, SIZE) of dim noise."""
    noise = np.random.default_rng(seed).random((SIZE, SIZE))
    return (0.1 + 0.1 * noise).astype(np.float32)


def square(place: tuple[int, int], seed: int = 0) -> NDArray[np.float32]:
    """The same with a bright square at (row, column)."""
    picture = plain(seed)
    top, left = place
    picture[top : top + SIDE, left : left + SIDE] += 0.7
    return picture


def box(place: tuple[int, int]) -> NDArray[np.float32]:
    """A square's left, top, right and bottom as shares of the side."""
    top, left = place
    return np.array([left, top, left + SIDE, top + SIDE], np.float32) / SIZE


def tensors(*pictures: NDArray[np.float32]) -> Any:
    return torch.from_numpy(np.stack(pictures))[:, None]


def basis_r(made: MSNet) -> torch.Tensor:
    return made.basis()[1].float()
