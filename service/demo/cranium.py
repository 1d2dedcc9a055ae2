"""Scalp and skull of one axial slice.

Appends layers to a drawing. Chooses no grey values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.demo import head as h
from service.demo.canvas import Profile, bump, ellipse, ramp, soft, thetas

_BULGE = 2.25
"""Exponent of the outline's superellipse; 2 would be an ellipse."""


@dataclass(frozen=True)
class Cranium:
    """Outlines of one slice, mm from the head's axis."""

    scalp: Profile
    bone: Profile
    brain: Profile


def outline(drawing: h.Drawing) -> Cranium:
    """Where scalp, bone and brain end: egg-shaped, wide at the back, small at the vertex."""
    head, height = drawing.head, drawing.height
    theta = thetas()
    aside = np.abs(theta)
    up = max(height - 32.0, 0.0) / 68.0
    shrink = np.sqrt(max(1 - up * up, 0.04)) - 0.03 * ramp(height, 30, 0)
    width = head.half_width * (1 - 0.09 * np.cos(theta) + 0.02 * np.cos(2 * theta)) * shrink
    across = (np.abs(np.sin(theta)) / width) ** _BULGE
    along = (np.abs(np.cos(theta)) / (head.half_length * shrink)) ** _BULGE
    scalp = (across + along) ** (-1 / _BULGE) * (1 + 0.006 * drawing.wobble("outline", (2, 6)))
    # Low down the nose stands out and the orbits lie back.
    scalp = scalp + ramp(height, 14, 0) * (7 * bump(theta, 0, 0.16) - 5 * bump(aside, 0.5, 0.2))
    temple = bump(aside, 1.15, 0.32) * ramp(height, 55, 25)
    cover = head.scalp * (1 + 0.12 * drawing.wobble("scalp", (1, 4)))
    bone = scalp - cover - 5 * temple - 2 * bump(aside, np.pi, 0.5)
    thick = head.skull * (1 + 0.15 * drawing.wobble("skull", (2, 5)) - 0.3 * temple)
    # A flat cut through the dome crosses the bone at a slant; crests stand in the midline.
    thick = thick * (1 + 0.5 * up * up) + 5 * bump(theta, 0, 0.12) + 4 * bump(aside, np.pi, 0.14)
    return Cranium(scalp, bone, bone - np.maximum(thick, 2.5))


def draw_skull(drawing: h.Drawing) -> Cranium:
    """Skin, fat, temporal muscle, the two tables with marrow between, frontal sinus, dura."""
    head, height, grid = drawing.head, drawing.height, drawing.grid
    rims = outline(drawing)
    scalp, bone, brain = (grid.polar.within(rim) for rim in (rims.scalp, rims.bone, rims.brain))
    drawing.add(h.SKIN, soft(scalp))
    drawing.add(h.FAT, soft(scalp + 1.6))
    behind_eye = (np.abs(grid.y + 28) / 26 - 1) * 14
    muscle = np.maximum(np.maximum(scalp + 4.2, 1.2 - bone), behind_eye)
    drawing.add(h.MUSCLE, soft(muscle) * ramp(height, 60, 40))
    drawing.add(h.BONE, soft(bone))
    spongy = drawing.texture("marrow", (5, 12))
    drawing.add(h.MARROW, soft(np.maximum(bone + 1.9, 1.9 - brain) + 0.35 * spongy))
    sinus_y = head.scalp + 7 - 0.93 * head.half_length
    sinus = ellipse(np.abs(grid.x), grid.y, (6, sinus_y), (9, 3.6))
    drawing.add(h.AIR, soft(sinus + spongy) * ramp(abs(height - 20), 11, 8))
    drawing.add(h.DURA, soft(brain))
    drawing.add(h.CSF, soft(brain + 0.9))
    return rims
