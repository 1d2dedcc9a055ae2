"""Where a similarity comes from: gradient x activation at the three scales of the network.

Only tensors: it reads no checkpoint and draws nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from model.msnet import MSNet

# Standard deviation, as a share of the picture's side: single pixels of the fine scales are noisy.
# Of the variants in docs/explanations.md this points best at lesions.
_BLUR = 1 / 24


@dataclass(frozen=True)
class PairHeat:
    """Two slices' cosine similarity and what it comes from.

    `heat` is (2, S, S) in 0..1, the hottest point of each slice 1. `contributions` (2, 3) is what
    the pooled features of each scale add to the similarity, seen from each slice, `constant` (2,)
    what the last layer's bias adds; together they are the similarity.
    """

    similarity: Tensor
    heat: Tensor
    contributions: Tensor
    constant: Tensor


def pair_heat(
    network: MSNet, r: Tensor, pictures: Tensor, background: Tensor | None = None
) -> PairHeat:
    """Explain the similarity of two prepared slices, `pictures` (2, 1, S, S).

    The network's weights are left as they are, and no gradient stays behind. `r` is that of
    `network.basis()`, in the network's precision and on its device. `background` (D,) are mean
    coordinates of many slices: with them the heat is of what makes the two more alike than either
    is with a usual slice. A network that embeds slices with their mirror images is explained in
    both: the heat of a mirror image is turned back and added.

    The other slice and both lengths are held fixed: through the lengths the similarity of a slice
    with itself would have no gradient at all. Gradient x activation is from Shrikumar et al. 2016
    (arXiv 1605.01713); what speaks against the similarity is left out before channels are summed.
    """
    size = pictures.shape[-1]
    with torch.enable_grad():
        # The input wants no gradient itself; this makes the first scale part of the graph.
        maps = network.maps(_views(network, pictures.detach()).requires_grad_())
        features = network.pool(maps).reshape(-1, 2, network.config.feature_dim).mean(dim=0)
        extended = functional.pad(features, (0, 1), value=1.0) @ r.T
        lengths = torch.linalg.vector_norm(extended, dim=1, keepdim=True).detach()
        units = extended / lengths
        others = units.detach().flip(0)
        wanted = others if background is None else others - background
        gradients = torch.autograd.grad((units * wanted).sum(), maps, materialize_grads=True)
    with torch.no_grad():
        weights = others @ r / lengths
        return PairHeat(
            similarity=(units[0] * units[1]).sum().detach(),
            heat=_merged([_for_slices(*pair) for pair in zip(maps, gradients, strict=True)], size),
            contributions=_by_scale(network, weights[:, :-1] * features),
            constant=weights[:, -1],
        )


def _views(network: MSNet, pictures: Tensor) -> Tensor:
    """A copy of what the network looks at to embed slices: these, and then their mirror images."""
    return torch.cat((pictures, pictures.flip(-1))) if network.is_mirrored else pictures.clone()


def _for_slices(activation: Tensor, gradient: Tensor) -> Tensor:
    """What speaks for the similarity in each place of two slices, (2, 1, H, W), at one scale."""
    found = (gradient * activation).clamp(min=0).sum(dim=1, keepdim=True)
    slices, *mirrored = torch.split(found, 2)
    return sum((one.flip(-1) for one in mirrored), slices)


def _by_scale(network: MSNet, parts: Tensor) -> Tensor:
    """Sums (B, 3) over the pooled features of each scale; one that is not pooled adds nothing."""
    config = network.config
    sums = parts.new_zeros(len(parts), len(config.widths))
    widths = [config.widths[scale] for scale in config.pooled_scales]
    split = torch.split(parts, widths, dim=1)
    for scale, part in zip(config.pooled_scales, split, strict=True):
        sums[:, scale] = part.sum(dim=1)
    return sums


def _merged(scales: Sequence[Tensor], size: int) -> Tensor:
    """One map (B, size, size) of those of the scales, each first brought to the same sum."""
    total = scales[0].new_zeros(len(scales[0]), 1, size, size)
    for scale in scales:
        fitted = functional.interpolate(scale, (size, size), mode="bilinear", align_corners=False)
        total += _divided(fitted, fitted.sum(dim=(-2, -1), keepdim=True))
    heat = smooth(total, _BLUR * size)
    return _divided(heat, heat.amax(dim=(-2, -1), keepdim=True))[:, 0]


def _divided(values: Tensor, by: Tensor) -> Tensor:
    """Zero where there is nothing to divide."""
    return values / by.clamp(min=torch.finfo(values.dtype).tiny)


def smooth(pictures: Tensor, deviation: float) -> Tensor:
    """Gaussian blur of (B, 1, H, W); beyond the edge the edge goes on."""
    reach = max(1, round(3 * deviation))
    distances = torch.arange(-reach, reach + 1, device=pictures.device, dtype=pictures.dtype)
    kernel = torch.exp(-(distances**2) / (2 * deviation**2))
    kernel = kernel / kernel.sum()
    padded = functional.pad(pictures, (reach, reach, reach, reach), mode="replicate")
    across = functional.conv2d(padded, kernel.view(1, 1, 1, -1))
    return functional.conv2d(across, kernel.view(1, 1, -1, 1))
