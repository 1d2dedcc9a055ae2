"""Drawn heads as a scanner delivers them, and what scanners write into the corners."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from service.demo.head import FIELD_OF_VIEW_MM, HeadParameters
from service.demo.phantom import SIZE, draw_ct, draw_mr

UPRIGHT = HeadParameters(
    half_width=74,
    half_length=93,
    scalp=5,
    skull=6.5,
    ventricles=1.1,
    atrophy=0.3,
    rotation=0.0,
    offset=(0.0, 0.0),
    seed=7,
)
_TURNED = replace(UPRIGHT, rotation=0.1, offset=(6.0, -3.0))
_HOLDER_MM = 117.0  # from the middle of the arc that it is
_WORDS = (((0, 0), "HOSP 12", "la"), ((1, 0), "2019", "ra"), ((0, 1), "Se:4", "ld"))


@cache
def _drawn(modality: str, height: float) -> NDArray[np.float32]:
    draw = draw_ct if modality == "CT" else draw_mr
    return draw(_TURNED, height, np.random.default_rng(1)).astype(np.float32)


def ct_head(height: float = 52, *, holder: bool = True) -> NDArray[np.float32]:
    """HU of 256 x 256 pixels with noise; `height` in mm above the sella. The head lies in a holder,
    which can be left out.
    """
    pixels = _drawn("CT", height).copy()
    if not holder:
        y, x = (np.mgrid[:SIZE, :SIZE] + 0.5) * FIELD_OF_VIEW_MM / SIZE - FIELD_OF_VIEW_MM / 2
        pixels[np.hypot(x, y + 20) > _HOLDER_MM] = -1000
    return pixels


def mr_head(height: float = 52) -> NDArray[np.float32]:
    """The same slice as T1-weighted MR."""
    return _drawn("MR", height).copy()


def letters(shape: tuple[int, ...], height: int = 14) -> NDArray[np.bool_]:
    """Pixels of words in three corners and of a ruler at the right edge."""
    page = Image.new("L", (shape[1], shape[0]))
    drawing = ImageDraw.Draw(page)
    font: Any = ImageFont.load_default(size=height)
    for (x, y), word, anchor in _WORDS:
        place = 3 + x * (shape[1] - 7), 3 + y * (shape[0] - 7)
        drawing.text(place, word, fill=1, font=font, anchor=anchor)
    for tick in range(shape[0] // 2, shape[0] * 7 // 8, 10):
        drawing.line((shape[1] - 8, tick, shape[1] - 2, tick), fill=1)
    return np.asarray(page) > 0
