"""Does a similarity fall when the pixels go that an explanation calls important?

The deletion test of Petsiuk et al. 2018 (arXiv 1806.07421), with smooth random maps to compare.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from model.explanation.heat import smooth

SHARES = (0.02, 0.05, 0.1, 0.2, 0.3)  # of the head's pixels
_LOCAL = 1 / 12  # of the picture's side: the reach of the local mean that replaces a pixel
_ROUGHNESS = 1 / 24  # random maps are as smooth as the explanations are

Picture = NDArray[np.float32]
Embed = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def deletion_areas(
    picture: Picture, other: NDArray[np.float32], maps: Sequence[Picture], embed: Embed
) -> NDArray[np.float64]:
    """(M,) mean similarity to `other` while pixels of `picture` go, hottest first, for M maps.

    `other` (D,) are the coordinates of the other slice, `embed` turns (N, S, S) into (N, D). A
    pixel that goes becomes the mean of its surroundings. The lower, the more a map knows.
    """
    head = np.flatnonzero(picture > 0)
    blurred = _blurred(picture, _LOCAL)
    steps = [_without(picture, blurred, head, heat, share) for heat in maps for share in SHARES]
    similarities = embed(np.stack([picture, *steps])) @ other.astype(np.float64)
    curves = similarities[1:].reshape(len(maps), len(SHARES))
    whole = np.concatenate([np.full((len(maps), 1), similarities[0]), curves], axis=1)
    areas: NDArray[np.float64] = np.trapezoid(whole, (0.0, *SHARES), axis=1) / SHARES[-1]
    return areas


def random_maps(count: int, size: int, random: np.random.Generator) -> list[Picture]:
    """Maps (S, S) that know nothing of the slice."""
    noise = random.random((count, size, size)).astype(np.float32)
    return [_blurred(one, _ROUGHNESS) for one in noise]


def _without(
    picture: Picture,
    blurred: Picture,
    head: NDArray[np.int64],
    heat: Picture,
    share: float,
) -> Picture:
    hottest = head[np.argsort(-heat.ravel()[head], kind="stable")[: round(share * len(head))]]
    changed = picture.copy()
    changed.ravel()[hottest] = blurred.ravel()[hottest]
    return changed


def _blurred(picture: Picture, share: float) -> Picture:
    whole = torch.from_numpy(np.ascontiguousarray(picture))[None, None]
    found: Picture = smooth(whole, share * picture.shape[-1])[0, 0].numpy()
    return found
