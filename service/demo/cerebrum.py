"""The brain of one axial slice above the skull base: cortex, nuclei, ventricles, falx.

Appends layers to a drawing. Chooses no grey values and draws no lesion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.demo import canvas
from service.demo import head as h
from service.demo.canvas import Map, Polar, ellipse, ramp, soft, tube
from service.demo.cranium import Cranium

_KEY_HEIGHTS = (20.0, 30.0, 42.0, 52.0, 62.0, 68.0)
# One half of the lateral ventricles at the key heights: five points (x, y, radius) from the frontal
# to the occipital horn; a radius below zero means that this part is not cut at that height.
_VENTRICLE = np.array(
    [
        [(15, -36, -3), (9, -28, -3), (6, -20, -3), (20, 6, -4), (29, 12, -3), (33, 20, -2)],
        [(15, -35, 1.2), (8, -29, 2.2), (4, -20, 1.6), (16, 2, -4), (29, 24, 1.6), (29, 38, 1.2)],
        [
            (17, -36, 1.6),
            (9, -30, 3.0),
            (4.5, -19, 2.6),
            (6, -4, -1.5),
            (24, 27, 4.2),
            (25, 45, 1.6),
        ],
        [(16, -33, 1.2), (9, -27, 3.2), (6.5, -14, 3.2), (9, 4, 3.0), (19, 23, 4.2), (23, 35, 1.8)],
        [(12, -25, 0.6), (9, -17, 2.2), (9, -6, 2.6), (11, 8, 2.8), (15, 20, 2.2), (18, 27, -1.0)],
        [(11, -20, -3), (10, -14, -2), (10, -6, -1), (12, 6, -1), (15, 18, -3), (18, 24, -4)],
    ]
)


@dataclass(frozen=True)
class Brain:
    """What lesions and the skull base need to know of the brain that was drawn."""

    depth: Map
    """mm below the inner table."""
    white: Map
    ventricles: Map
    x: Map
    y: Map


def _folds(
    head: h.HeadParameters, height: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Tables of a polar field whose zero lines are the sulci, and of their depths, mm."""
    rng = head.stream("folds")
    count = 40
    numbers = rng.integers(9, 24, count)
    inward = rng.normal(0, 2 * np.pi / 60, count)
    phase = rng.uniform(0, 2 * np.pi, count) + height * rng.normal(0, 0.11, count)
    radius = np.linspace(0, canvas.TABLE_RADIUS_MM, canvas.TABLE_RADIUS_STEPS, endpoint=False)
    table = canvas.wave_sum(np.outer(canvas.thetas(), numbers) + phase, np.outer(inward, radius))
    depth = 14 + 6 * canvas.ring_noise(head.stream("fold depth"), height, (4, 18))
    return table * np.float32(np.sqrt(2 / count)), depth.astype(np.float32)


def _sulci(
    head: h.HeadParameters, polar: Polar, depth: Map, height: float, pixel_mm: float
) -> tuple[Map, Map]:
    """Distances to the sulci and to the grey ribbon round them, mm."""
    table, deep = _folds(head, height)
    value, reach = polar.sample(table), polar.profile(deep)
    down, across = np.gradient(value, pixel_mm)
    line = np.abs(value) / (np.hypot(down, across) + 0.04)
    half = (0.45 + 1.1 * head.atrophy) * np.clip(1.15 - depth / reach, 0.2, 1)
    return np.maximum(line - half, depth - reach), np.maximum(
        line - half - 2.3, depth - reach - 2.4
    )


def _fissures(head: h.HeadParameters, side: Map, y: Map, height: float) -> Map:
    """Distance to the interhemispheric and Sylvian fissures, mm."""
    wide = 0.5 + 1.2 * head.atrophy
    front, back = -34 + 60 * ramp(height, 52, 64), 38 - 40 * ramp(height, 52, 64)
    gap = np.maximum(side - wide, np.minimum(y - front, back - y))
    if height < 52:
        open_mm = wide * ramp(height, 52, 44) + 0.4
        lip = [(66, -10, open_mm + 1.0), (52, -12, open_mm + 0.4), (42, -16, open_mm)]
        insula = [(36, -26, 0.4 * open_mm), (41, -14, open_mm), (42, 2, open_mm), (37, 14, 0.2)]
        gap = np.minimum(gap, np.minimum(tube(side, y, lip), tube(side, y, insula)))
    return gap


def _nuclei(side: Map, y: Map, height: float) -> Map:
    """Coverage of caudate, lentiform nucleus and thalamus."""
    if height > 58:
        return np.zeros_like(side)
    round_off = 1 - (abs(height - 36) / 24) ** 2
    if round_off <= 0:
        return np.zeros_like(side)
    scale = round_off**0.5
    caudate = ellipse(side, y, (12, -20), (4.5 * scale, 9 * scale))
    thalamus = ellipse(side - 0.15 * y, y, (9, 4), (7.5 * scale, 12 * scale))
    lentiform = ellipse(side + 0.25 * np.abs(y + 8), y, (28, -8), (7.5 * scale, 15 * scale))
    return 0.9 * soft(np.minimum(np.minimum(caudate, thalamus), lentiform), 2.0)


def _ventricles(head: h.HeadParameters, x: Map, y: Map, height: float, bend: Map) -> Map:
    """Distance to the lateral ventricles and the third."""
    at = float(np.clip(np.interp(height, _KEY_HEIGHTS, range(len(_KEY_HEIGHTS))), 0, 4.999))
    low, part = int(at), at - int(at)
    points = _VENTRICLE[low] * (1 - part) + _VENTRICLE[low + 1] * part
    wide = head.ventricles
    bent = [(px + 1.5 * (wide - 1), py, r * wide if r > 0 else r) for px, py, r in points]
    lateral = tube(np.abs(x), y, bent)
    lateral = lateral + 0.7 * bend
    third = tube(x, y, [(0, -9, 0.6), (0, 0, 1.3 * wide), (0, 10, 0.8)])
    return np.minimum(lateral, third + 6 * (ramp(height, 38, 42) + ramp(height, 20, 16)))


def _draw_midline(
    drawing: h.Drawing, grid: h.Grid, height: float, rims: Cranium, at: tuple[Map, Map]
) -> None:
    """Falx, sagittal sinus, septum, choroid plexus and pineal gland."""
    x, y = at
    side = np.abs(x)
    rim = grid.polar.profile(rims.brain) - grid.polar.radius
    front, back = -40 + 60 * ramp(height, 55, 66), 46 - 44 * ramp(height, 55, 66)
    falx = np.maximum(np.maximum(side - 0.5, np.minimum(y - front, back - y)), -0.2 - rim)
    drawing.add(h.DURA, 0.8 * soft(falx))
    back_end = float(rims.brain[canvas.THETA_STEPS // 2])
    sinus = np.maximum(1.3 * side + 0.75 * (back_end - 7.5 - grid.y), grid.y - back_end - 1.5)
    drawing.add(h.VESSEL, soft(sinus) * ramp(height, 8, 14))
    front_end = -float(rims.brain[0])
    front = np.maximum(1.3 * side + 0.8 * (grid.y - front_end - 5), front_end - 1 - grid.y)
    drawing.add(h.VESSEL, soft(front) * ramp(height, 50, 66))
    if 32 < height < 46:
        drawing.add(h.CHOROID, 0.8 * soft(ellipse(side, y, (22, 27), (2.2, 3.4))))
    if 26 < height < 36:
        drawing.add(h.CHOROID, soft(ellipse(x, y, (0, 19), (1.8, 2.4))))
        drawing.add(h.VESSEL, 0.8 * soft(ellipse(side, y, (1.8, 25), (0.9, 1.4))))


def _draw_vessels(
    drawing: h.Drawing, head: h.HeadParameters, grid: h.Grid, height: float, gap: Map, depth: Map
) -> None:
    """Short pieces of enhanced vessels in the sulci, where the slice happens to cut them."""
    here = grid.field(head.stream("vessels"), (8, 16), height)
    drawing.add(h.VESSEL, soft(np.maximum(np.maximum(gap + 0.4, (1.2 - here) * 3), -depth)) * 0.9)


def draw_brain(
    drawing: h.Drawing,
    head: h.HeadParameters,
    grid: h.Grid,
    height: float,
    rims: Cranium,
    push: h.Push | None = None,
) -> Brain:
    """Cortex and white matter, deep nuclei, ventricles and the midline; `push` bends them aside."""
    x = grid.x + 1.6 * grid.field(head.stream("bend across"), (45, 90), height)
    y = grid.y + 1.6 * grid.field(head.stream("bend along"), (45, 90), height)
    if push is not None:
        x, y = push(x, y)
    polar = Polar.of(x, y)
    depth = polar.profile(rims.brain) - polar.radius
    inside = soft(1.2 + 1.2 * head.atrophy - depth)
    sulcus, ribbon = _sulci(head, polar, depth, height, grid.pixel_mm)
    fissure = _fissures(head, np.abs(x), y, height)
    grey = np.minimum(np.minimum(ribbon, fissure - 2.6), depth - 4.4 - head.atrophy)
    nuclei = _nuclei(np.abs(x), y, height)
    white = inside * soft(-grey, 1.6) * (1 - nuclei)
    drawing.add(h.GREY, inside)
    drawing.add(h.WHITE, white)
    gap = np.minimum(sulcus, fissure)
    drawing.add(h.CSF, inside * soft(gap, 1.2))
    bend = grid.field(head.stream("ventricles"), (18, 40), height)
    ventricles = inside * soft(_ventricles(head, x, y, height, bend), 1.4)
    drawing.add(h.CSF, ventricles)
    _draw_vessels(drawing, head, grid, height, gap, depth)
    _draw_midline(drawing, grid, height, rims, (x, y))
    return Brain(depth, white * (1 - ventricles), ventricles, x, y)
