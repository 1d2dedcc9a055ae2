"""Random variation of prepared slices during training, as plain tensor work.

Every draw comes from the generator handed in, so a seed fixes the run.
"""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

from model.training.config import AugmentConfig

_RIM_GRID = 64  # cells along a side on which the head's rim is found
_RIM_CELLS = (3, 7)  # so wide is scalp and skull, at least and below
_RIM_AIR = 0.06  # mean intensity below which a cell is air
_BENDS = 5  # points along a side that move on their own


def augment(images: Tensor, config: AugmentConfig, generator: Generator) -> tuple[Tensor, Tensor]:
    """Vary each slice of a batch on its own, (B, 1, S, S) in 0..1 -> the same shape and range.

    The second result is the warp, (B, 2, 3): where in the given picture each point of the new one
    came from, in the units of `affine_grid`.
    """
    images = _strip(images, config.strip, generator)
    theta = _warp(len(images), config, generator)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    grid = _bend(grid, config.elastic, generator)
    images = functional.grid_sample(images, grid, mode="bilinear", align_corners=False)
    images = _focus(images, config.focus, generator)
    images = _shade(images, config, generator)
    return _cut_out(images, config.cut_out, generator), theta


def _uniform(count: int, reach: float, generator: Generator) -> Tensor:
    """(count,) draws from -reach..reach."""
    return (torch.rand(count, generator=generator) * 2 - 1) * reach


def _each(values: Tensor) -> Tensor:
    """One number a slice, shaped to meet (B, 1, S, S)."""
    return values[:, None, None, None]


def _warp(count: int, config: AugmentConfig, generator: Generator) -> Tensor:
    """Flip left and right, rotate, scale, stretch and shift, as one affine map."""
    angle = _uniform(count, math.radians(config.rotation_degrees), generator)
    scale = torch.exp(_uniform(count, math.log(config.max_scale), generator))
    aspect = torch.exp(_uniform(count, math.log(config.max_aspect), generator))
    mirror = torch.ones(count)
    if config.flip:
        mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    shift_x = _uniform(count, 2 * config.shift, generator)
    shift_y = _uniform(count, 2 * config.shift, generator)
    wide, high = scale * aspect, scale / aspect
    cos, sin = torch.cos(angle), torch.sin(angle)
    across = torch.stack((cos * mirror / wide, -sin * mirror / high, shift_x), dim=1)
    down = torch.stack((sin / wide, cos / high, shift_y), dim=1)
    return torch.stack((across, down), dim=1)


def _bend(grid: Tensor, reach: float, generator: Generator) -> Tensor:
    """Bend the grid of a warp smoothly, by up to `reach` of a side: no two heads are alike."""
    if not reach:
        return grid
    count, size = len(grid), grid.shape[1]
    coarse = _uniform(count * 2 * _BENDS**2, 2 * reach, generator).view(count, 2, _BENDS, _BENDS)
    bend = functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)
    return grid + bend.permute(0, 2, 3, 1)


def _strip(images: Tensor, share: float, generator: Generator) -> Tensor:
    """Take the outer rim off some heads: many archives hold slices whose skull was removed."""
    chosen = torch.rand(len(images), generator=generator) < share
    if not chosen.any():
        return images
    rim = int(torch.randint(*_RIM_CELLS, (1,), generator=generator))
    part = images[chosen]
    head = (functional.adaptive_avg_pool2d(part, _RIM_GRID) > _RIM_AIR).float()
    head = -functional.max_pool2d(-functional.max_pool2d(head, 5, 1, 2), 5, 1, 2)
    beyond = functional.pad(1 - head, (rim,) * 4, value=1.0)
    inside = 1 - functional.max_pool2d(beyond, 2 * rim + 1, 1)
    inside = functional.interpolate(
        inside, size=images.shape[-2:], mode="bilinear", align_corners=False
    )
    images = images.clone()
    images[chosen] = torch.where(inside > 0.5, part, 0.0)
    return images


def _focus(images: Tensor, share: float, generator: Generator) -> Tensor:
    """Blur or sharpen some slices, as other scanners' kernels and matrix sizes do."""
    count = len(images)
    chosen = torch.rand(count, generator=generator) < share
    blur = torch.rand(count, generator=generator) * 1.5 - 0.5
    if not chosen.any():
        return images
    part = images[chosen]
    half = functional.avg_pool2d(part, 2, ceil_mode=True)
    soft = functional.interpolate(half, size=part.shape[-2:], mode="bilinear", align_corners=False)
    images = images.clone()
    images[chosen] = part + (soft - part) * _each(blur[chosen])
    return images


def _shade(images: Tensor, config: AugmentConfig, generator: Generator) -> Tensor:
    """Gamma, gain, offset, a smooth field as an MR coil leaves it, and noise; black stays black."""
    count, size = len(images), images.shape[-1]
    gamma = torch.exp(_uniform(count, config.gamma, generator))
    gain = torch.exp(_uniform(count, config.gain, generator))
    offset = _uniform(count, config.offset, generator)
    coarse = _uniform(count * 9, config.bias_field, generator).view(count, 1, 3, 3)
    field = functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)
    strength = torch.rand(count, generator=generator) * config.noise
    noise = torch.randn(images.shape, generator=generator) * _each(strength)
    shaded = images.clamp(min=1e-4) ** _each(gamma) * _each(gain) * (1 + field) + _each(offset)
    return torch.where(images > 0.004, (shaded + noise).clamp(0.0, 1.0), 0.0)


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
