"""Heat laid over the slices it belongs to, as a picture. It computes no heat.

Everything is drawn at the size of a panel: a slice may have 2^26 pixels, its picture has few.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.placement import Placement

PANEL = 512  # pixels of a slice's longer side
_GAP = 8  # black pixels between slices
_STRENGTH = 0.6  # how much of a pixel the hottest heat covers: the anatomy stays visible
# From none over red and orange to pale yellow; brightness rises with heat, for all eyes.
_STOPS = np.array([0.0, 0.35, 0.7, 1.0])
_COLOURS = np.array([[64, 0, 16], [190, 20, 20], [250, 140, 20], [255, 245, 150]], np.float64)

Heat = NDArray[np.float32]


def panel_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the panel that shows a slice of shape (H, W)."""
    scale = PANEL / max(shape)
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def panel(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A slice (H, W), fitted to its panel."""
    height, width = panel_shape((grey.shape[0], grey.shape[1]))
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BICUBIC))


def heat_in_source(
    heat: Heat, placement: Placement, shape: tuple[int, int], size: tuple[int, int]
) -> Heat:
    """Heat over a prepared picture (S, S) -> the same over its source slice of shape (H, W).

    It comes as (height, width) = `size` samples that cover the slice, however large that is. What
    was cropped away has none.
    """
    linear = np.array(placement.linear)
    # Pillow counts from a pixel's corner, a placement from its centre.
    offset = np.array(placement.offset) + 0.5 - linear @ (0.5, 0.5)
    (a, b), (c, d) = (linear * (shape[1] / size[1], shape[0] / size[0])).tolist()
    moved = Image.fromarray(np.ascontiguousarray(heat, np.float32)).transform(
        (size[1], size[0]),
        Image.Transform.AFFINE,
        (a, b, offset[0], c, d, offset[1]),
        Image.Resampling.BILINEAR,
    )
    return np.asarray(moved)


def colour(heat: Heat) -> NDArray[np.float64]:
    """Heat 0..1 of any shape -> colours (..., 3) 0..255."""
    channels = [np.interp(heat, _STOPS, column) for column in _COLOURS.T]
    return np.stack(channels, axis=-1)


def overlay(grey: NDArray[np.uint8], heat: Heat) -> NDArray[np.uint8]:
    """A slice (H, W) with heat (H, W) over it, (H, W, 3); as it was where there is no heat."""
    share = (_STRENGTH * np.clip(heat, 0.0, 1.0))[..., None]
    mixed = (1.0 - share) * grey[..., None] + share * colour(heat)
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def side_by_side(slices: Sequence[tuple[NDArray[np.uint8], Heat]]) -> Image.Image:
    """Panels (h, w) with heat (h, w) over them, in one RGB picture."""
    drawn = [Image.fromarray(overlay(grey, heat)) for grey, heat in slices]
    width = sum(one.width for one in drawn) + _GAP * (len(drawn) - 1)
    picture = Image.new("RGB", (width, max(one.height for one in drawn)))
    left = 0
    for one in drawn:
        picture.paste(one, (left, (picture.height - one.height) // 2))
        left += one.width + _GAP
    return picture
