"""Random variation of prepared slices during training, as plain tensor work.

Every draw comes from the generator handed in, so a seed fixes the run.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional


@dataclass(frozen=True)
class AugmentConfig:
    """How far each variation goes; zero (or 1.0 for `max_scale`) switches one off.

    Angles in degrees, shifts and the cut-out's side as a share of the picture's side.
    """

    flip: bool = True
    rotation_degrees: float = 20.0
    max_scale: float = 1.2
    shift: float = 0.06
    gamma: float = 0.3
    gain: float = 0.15
    bias_field: float = 0.2
    noise: float = 0.03
    cut_out: float = 0.2


def augment(images: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Vary each slice of a batch on its own, (B, 1, S, S) in 0..1 -> the same shape and range."""
    images = _warp(images, config, generator)
    images = _shade(images, config, generator)
    return _cut_out(images, config.cut_out, generator)


def _uniform(count: int, reach: float, generator: Generator) -> Tensor:
    """(count,) draws from -reach..reach."""
    return (torch.rand(count, generator=generator) * 2 - 1) * reach


def _warp(images: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Flip left and right, rotate, scale and shift in one resampling."""
    count = len(images)
    angle = _uniform(count, math.radians(config.rotation_degrees), generator)
    scale = torch.exp(_uniform(count, math.log(config.max_scale), generator))
    mirror = torch.ones(count)
    if config.flip:
        mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    shift_x = _uniform(count, 2 * config.shift, generator)
    shift_y = _uniform(count, 2 * config.shift, generator)
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    theta = torch.stack(
        (
            torch.stack((cos * mirror, -sin, shift_x), dim=1),
            torch.stack((sin * mirror, cos, shift_y), dim=1),
        ),
        dim=1,
    )
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", align_corners=False)


def _shade(images: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Gamma, gain, a smooth field as an MR coil leaves it, and noise; black stays black."""
    count, size = len(images), images.shape[-1]
    gamma = torch.exp(_uniform(count, config.gamma, generator))[:, None, None, None]
    gain = torch.exp(_uniform(count, config.gain, generator))[:, None, None, None]
    coarse = _uniform(count * 9, config.bias_field, generator).view(count, 1, 3, 3)
    field = functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)
    head = images > 0
    images = images.clamp(min=1e-6) ** gamma * gain * torch.exp(field)
    strength = torch.rand(count, generator=generator)[:, None, None, None] * config.noise
    images = images + torch.randn(images.shape, generator=generator) * strength
    return torch.where(head, images, 0.0).clamp(0.0, 1.0)


def _cut_out(images: Tensor, share: float, generator: Generator) -> Tensor:
    """Blacken one square at a random place in every second slice, against leaning on one spot."""
    count, size = len(images), images.shape[-1]
    side = round(share * size)
    if side == 0:
        return images
    corner = torch.randint(0, size - side + 1, (count, 2, 1), generator=generator)
    struck = torch.rand(count, generator=generator) < 0.5
    line = torch.arange(size)[None, None]
    inside = (line >= corner) & (line < corner + side)
    square = inside[:, 0, :, None] & inside[:, 1, None, :] & struck[:, None, None]
    return images.masked_fill(square[:, None], 0.0)
