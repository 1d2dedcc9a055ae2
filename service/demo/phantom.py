"""Head phantoms: one axial slice of a drawn head as CT or as contrast-enhanced T1 MR.

Joins anatomy, lesion, scanner noise and coil shading into pixel values. Knows nothing of DICOM.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.demo import head as h
from service.demo.canvas import Map, grain, soft
from service.demo.cerebrum import Brain, draw_brain
from service.demo.cranium import draw_skull
from service.demo.face import draw_face
from service.demo.head import HeadParameters
from service.demo.hindbrain import draw_hindbrain
from service.demo.lesions import Lesion
from service.demo.skull_base import draw_skull_base

SIZE = 256
_CT_NOISE_HU = 3.4
_MR_NOISE = 0.018
_MR_GAIN = 1200.0
_HOLDER_HU = 180.0


def draw_ct(
    head: HeadParameters,
    height: float,
    rng: np.random.Generator,
    *,
    lesion: Lesion | None = None,
    size: int = SIZE,
) -> NDArray[np.int16]:
    """Hounsfield units, (size, size), seen from below with the nose up.

    `height` is in mm above the floor of the sella; `rng` draws the noise of this slice alone.
    """
    grid = h.Grid.of(head, size)
    drawing, brain = _draw(head, grid, height, lesion)
    part = _paint(drawing, "hu")
    # Beam hardening brightens the brain next to the bone.
    part += 4 * np.exp(-np.clip(brain.depth, 0, 60) / 6) * soft(-brain.depth)
    image = _holder(size)
    np.maximum(image[grid.window], part, out=image[grid.window])
    image += _CT_NOISE_HU * (0.8 * grain(rng, size, 1) + 0.6 * grain(rng, size, 3))
    units: NDArray[np.int16] = np.clip(np.rint(image), -1024, 3071).astype(np.int16)
    return units


def draw_mr(
    head: HeadParameters,
    height: float,
    rng: np.random.Generator,
    *,
    lesion: Lesion | None = None,
    size: int = SIZE,
) -> NDArray[np.uint16]:
    """T1-weighted signal after contrast in arbitrary units, (size, size), nose up.

    White matter lies near 600; the coil's shading is smooth and the noise Rician, as in a
    magnitude image. Arguments as in `draw_ct`.
    """
    grid = h.Grid.of(head, size)
    drawing, _ = _draw(head, grid, height, lesion)
    part = _paint(drawing, "mr")
    image = np.zeros((size, size), dtype=np.float32)
    image[grid.window] = part * np.exp(0.09 * drawing.texture("coil", (150, 400)))
    real = image + _MR_NOISE * grain(rng, size, 1)
    magnitude = np.hypot(real, _MR_NOISE * grain(rng, size, 1))
    signal: NDArray[np.uint16] = np.rint(magnitude * _MR_GAIN).astype(np.uint16)
    return signal


def _draw(
    head: HeadParameters, grid: h.Grid, height: float, lesion: Lesion | None
) -> tuple[h.Drawing, Brain]:
    drawing = h.Drawing(head, grid, height)
    rims = draw_skull(drawing)
    brain = draw_brain(drawing, rims, None if lesion is None else lesion.push(height))
    draw_hindbrain(drawing, brain)
    average = replace(drawing, grid=grid.stretched(head))
    draw_face(average, rims)
    draw_skull_base(average, rims)
    if lesion is not None:
        lesion.draw(drawing, brain)
    return drawing, brain


def _holder(size: int) -> Map:
    """An empty scan: air, and the head holder below."""
    axis = ((np.arange(size) + 0.5) / size - 0.5).astype(np.float32) * h.FIELD_OF_VIEW_MM
    x, y = axis[None, :], axis[:, None]
    arc = soft(np.abs(np.hypot(x, y + 20) - 122) - 0.9) * soft(30 - y)
    return h.AIR.hu + arc * (_HOLDER_HU - h.AIR.hu)


def _paint(drawing: h.Drawing, modality: Literal["hu", "mr"]) -> Map:
    image = np.full_like(drawing.layers[0][1], getattr(h.AIR, modality))
    for tissue, coverage in drawing.layers:
        change = np.float32(getattr(tissue, modality)) - image
        change *= coverage
        image += change
    return image
