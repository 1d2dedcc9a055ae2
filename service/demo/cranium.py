"""Scalp and skull of one axial slice.

Appends layers to a drawing. Chooses no grey values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.demo import canvas
from service.demo import head as h
from service.demo.canvas import ellipse, ramp, soft


@dataclass(frozen=True)
class Cranium:
    """Polar outlines (THETA_STEPS,) of one slice, mm from the axis."""

    scalp: NDArray[np.float32]
    bone: NDArray[np.float32]
    brain: NDArray[np.float32]


def outline(head: h.HeadParameters, height: float) -> Cranium:
    """The head's outlines at a height: egg-shaped, wide at the back, small at the vertex."""
    theta = canvas.thetas()
    front, side = np.cos(theta), np.sin(theta)
    up = max(height - 32.0, 0.0) / 68.0
    shrink = np.sqrt(max(1 - up * up, 0.04)) - 0.03 * ramp(height, 30, 0)
    width = head.half_width * (1 - 0.09 * front + 0.02 * np.cos(2 * theta)) * shrink
    power = 2.25
    scalp = (np.abs(side) / width) ** power + (np.abs(front) / (head.half_length * shrink)) ** power
    scalp = scalp ** (-1 / power) * (
        1 + 0.006 * canvas.ring_noise(head.stream("outline"), height, (2, 6))
    )
    nose = ramp(height, 14, 0) * (
        7 * np.exp(-((theta / 0.16) ** 2)) - 5 * np.exp(-(((np.abs(theta) - 0.5) / 0.2) ** 2))
    )
    scalp = scalp + nose
    temple = np.exp(-(((np.abs(theta) - 1.15) / 0.32) ** 2)) * ramp(height, 55, 25)
    soft_tissue = (
        head.scalp * (1 + 0.12 * canvas.ring_noise(head.stream("scalp"), height, (1, 4)))
        + 5 * temple
    )
    soft_tissue = soft_tissue + 2 * np.exp(-(((np.abs(theta) - np.pi) / 0.5) ** 2))
    slant = 1 + 0.5 * up * up
    thick = (
        head.skull
        * slant
        * (1 + 0.15 * canvas.ring_noise(head.stream("skull"), height, (2, 5)) - 0.3 * temple)
    )
    thick = (
        thick
        + 5 * np.exp(-((theta / 0.12) ** 2))
        + 4 * np.exp(-(((np.abs(theta) - np.pi) / 0.14) ** 2))
    )
    bone = scalp - soft_tissue
    return Cranium(*(a.astype(np.float32) for a in (scalp, bone, bone - np.maximum(thick, 2.5))))


def draw_skull(drawing: h.Drawing, head: h.HeadParameters, grid: h.Grid, height: float) -> Cranium:
    """Skin, fat, temporal muscle, the two tables with marrow between, frontal sinus."""
    rims = outline(head, height)
    polar = grid.polar
    scalp, bone, brain = (
        polar.radius - polar.profile(p) for p in (rims.scalp, rims.bone, rims.brain)
    )
    drawing.add(h.SKIN, soft(scalp))
    drawing.add(h.FAT, soft(scalp + 1.6))
    sideways = np.abs(np.abs(grid.y + 28) / 26)
    muscle = np.maximum(np.maximum(scalp + 4.2, 1.2 - bone), (sideways - 1) * 14)
    drawing.add(h.MUSCLE, soft(muscle) * ramp(height, 60, 40))
    drawing.add(h.BONE, soft(bone))
    spongy = grid.field(head.stream("marrow"), (5, 12), height)
    drawing.add(h.MARROW, soft(np.maximum(bone + 1.9, 1.9 - brain) + 0.35 * spongy))
    sinus = ellipse(
        np.abs(grid.x), grid.y, (6, -0.93 * head.half_length + head.scalp + 7), (9, 3.6)
    )
    drawing.add(h.AIR, soft(sinus + spongy) * ramp(abs(height - 20), 11, 8))
    drawing.add(h.DURA, soft(brain))
    drawing.add(h.CSF, soft(brain + 0.9))
    return rims
