"""The brain of one axial slice above the skull base: cortex, nuclei, ventricles, midline.

Appends layers to a drawing. Chooses no grey values and draws no lesion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.demo import canvas
from service.demo import head as h
from service.demo.canvas import Map, Polar, Profile, ellipse, ramp, soft, tube
from service.demo.cranium import Cranium
from service.demo.ventricles import ventricles_edge


@dataclass(frozen=True)
class Brain:
    """The brain that was drawn, for those who draw on it: lesions and the skull base."""

    x: Map
    """Where each pixel's tissue stood before it was pushed aside, mm."""
    y: Map
    depth: Map
    """mm below the inner table."""
    white: Map
    """Coverage of white matter."""
    ventricles: Map
    """Coverage of the lateral and third ventricles."""


def draw_brain(drawing: h.Drawing, rims: Cranium, push: h.Push | None = None) -> Brain:
    """Cortex and white matter, deep nuclei, ventricles and midline; `push` bends them aside."""
    grid, atrophy = drawing.grid, drawing.head.atrophy
    x = grid.x + 1.6 * drawing.texture("bend across", (45, 90))
    y = grid.y + 1.6 * drawing.texture("bend along", (45, 90))
    if push is not None:
        x, y = push(x, y)
    side, polar = np.abs(x), Polar.of(x, y)
    depth = -polar.within(rims.brain)
    inside = soft(1.2 + 1.2 * atrophy - depth)
    sulcus, ribbon = _sulci(drawing, polar, depth)
    fissure = _fissures(drawing, side, y)
    cortex = np.minimum(np.minimum(ribbon, fissure - 2.6), depth - 4.4 - atrophy)
    white = inside * soft(-cortex, 1.6) * (1 - _nuclei(drawing.height, side, y))
    drawing.add(h.GREY, inside)
    drawing.add(h.WHITE, white)
    gap = np.minimum(sulcus, fissure)
    drawing.add(h.CSF, inside * soft(gap, 1.2))
    ventricles = inside * soft(ventricles_edge(drawing, x, y), 1.4)
    drawing.add(h.CSF, ventricles)
    # Enhanced vessels show where the slice happens to cut them.
    seldom = (1.2 - drawing.texture("vessels", (8, 16))) * 3
    drawing.add(h.VESSEL, 0.9 * soft(np.maximum(np.maximum(gap + 0.4, seldom), -depth)))
    _draw_falx(drawing, rims, side, y)
    _draw_calcified(drawing, side, y)
    return Brain(x, y, depth, white * (1 - ventricles), ventricles)


def _folds(drawing: h.Drawing) -> tuple[Map, Profile]:
    """A polar table of a field whose zero lines are the sulci, and how deep these go, mm."""
    rng = drawing.head.stream("folds")
    count = 40
    numbers = rng.integers(9, 24, count)
    inward = rng.normal(0, 2 * np.pi / 60, count)
    phase = rng.uniform(0, 2 * np.pi, count) + drawing.height * rng.normal(0, 0.11, count)
    radius = np.linspace(0, canvas.TABLE_RADIUS_MM, canvas.TABLE_RADIUS_STEPS, endpoint=False)
    table = canvas.wave_sum(np.outer(canvas.thetas(), numbers) + phase, np.outer(inward, radius))
    return table, 14 + 6 * drawing.wobble("fold depth", (4, 18))


def _sulci(drawing: h.Drawing, polar: Polar, depth: Map) -> tuple[Map, Map]:
    """Distances to the sulci and to the grey ribbon that lines them, mm."""
    table, deep = _folds(drawing)
    value, reach = polar.sample(table), polar.spread(deep)
    down, across = np.gradient(value, drawing.grid.pixel_mm)
    line = np.abs(value) / (np.hypot(down, across) + 0.04)
    half = (0.45 + 1.1 * drawing.head.atrophy) * np.clip(1.15 - depth / reach, 0.2, 1)
    sulcus = np.maximum(line - half, depth - reach)
    ribbon = np.maximum(line - half - 2.3, depth - reach - 2.4)
    return sulcus, ribbon


def _fissures(drawing: h.Drawing, side: Map, y: Map) -> Map:
    """Distance to the interhemispheric and Sylvian fissures, mm."""
    height = drawing.height
    wide = 0.5 + 1.2 * drawing.head.atrophy
    # Below the corpus callosum's upper edge the midline is closed between its knee and its end.
    above = ramp(height, 52, 64)
    gap: Map = np.maximum(side - wide, np.minimum(y + 34 - 60 * above, 38 - 40 * above - y))
    if height < 52:
        open_mm = wide * ramp(height, 52, 44) + 0.4
        lip = [(66, -10, open_mm + 1.0), (52, -12, open_mm + 0.4), (42, -16, open_mm)]
        insula = [(36, -26, 0.4 * open_mm), (41, -14, open_mm), (42, 2, open_mm), (37, 14, 0.2)]
        gap = np.minimum(gap, np.minimum(tube(side, y, lip), tube(side, y, insula)))
    return gap


def _nuclei(height: float, side: Map, y: Map) -> Map:
    """Coverage of caudate, lentiform nucleus and thalamus, largest at 36 mm."""
    scale = max(1 - (abs(height - 36) / 24) ** 2, 0.0) ** 0.5
    caudate = ellipse(side, y, (12, -20), (4.5 * scale, 9 * scale))
    thalamus = ellipse(side - 0.15 * y, y, (9, 4), (7.5 * scale, 12 * scale))
    lentiform = ellipse(side + 0.25 * np.abs(y + 8), y, (28, -8), (7.5 * scale, 15 * scale))
    return 0.9 * soft(np.minimum(np.minimum(caudate, thalamus), lentiform), 2.0)


def _draw_falx(drawing: h.Drawing, rims: Cranium, side: Map, y: Map) -> None:
    """The falx, and the sagittal sinus at its ends, a triangle on the bone."""
    height, grid = drawing.height, drawing.grid
    above = ramp(height, 55, 66)
    ends = np.minimum(y + 40 - 60 * above, 46 - 44 * above - y)
    falx = np.maximum(np.maximum(side - 0.5, ends), grid.polar.within(rims.brain) - 0.2)
    drawing.add(h.DURA, 0.8 * soft(falx))
    back = float(rims.brain[canvas.THETA_STEPS // 2])
    sinus = np.maximum(1.3 * side + 0.75 * (back - 7.5 - grid.y), grid.y - back - 1.5)
    drawing.add(h.VESSEL, soft(sinus) * ramp(height, 8, 14))
    front = -float(rims.brain[0])
    sinus = np.maximum(1.3 * side + 0.8 * (grid.y - front - 5), front - 1 - grid.y)
    drawing.add(h.VESSEL, soft(sinus) * ramp(height, 50, 66))


def _draw_calcified(drawing: h.Drawing, side: Map, y: Map) -> None:
    """Choroid plexus and pineal gland, with the veins behind it."""
    if 32 < drawing.height < 46:
        drawing.add(h.CHOROID, 0.8 * soft(ellipse(side, y, (22, 27), (2.2, 3.4))))
    if 26 < drawing.height < 36:
        drawing.add(h.CHOROID, soft(ellipse(side, y, (0, 19), (1.8, 2.4))))
        drawing.add(h.VESSEL, 0.8 * soft(ellipse(side, y, (1.8, 25), (0.9, 1.4))))
