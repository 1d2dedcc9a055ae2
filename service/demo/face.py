"""The face in front of the skull base: sphenoid wings, orbits, eyes.

Appends layers to a drawing. Chooses no grey values.
"""

from __future__ import annotations

import numpy as np

from service.demo import head as h
from service.demo.canvas import Map, ellipse, ramp, soft, tube
from service.demo.cranium import Cranium

_ORBIT_HEIGHT = 2.0
_EYE_RADIUS = 12.0


def draw_face(drawing: h.Drawing, rims: Cranium) -> None:
    """Lays the face over the front of the slice, as far up as it reaches."""
    if drawing.height < 13:
        _draw_wings(drawing, rims)
    if abs(drawing.height - _ORBIT_HEIGHT) < 15:
        _draw_orbits(drawing, rims)
        _draw_eyes(drawing, rims)


def _draw_wings(drawing: h.Drawing, rims: Cranium) -> None:
    """The sphenoid wings and the muscle and fat before them, retreating upwards."""
    grid, height = drawing.grid, drawing.height
    side = np.abs(grid.x)
    retreat = 70 * ramp(height, 9, 13)
    pole = 12 * np.clip(1 - ((side - 36) / 22) ** 2, -1, 1)
    front = grid.y + 33 + pole + retreat
    inside = grid.polar.within(rims.bone)
    face = np.maximum(front, inside)
    drawing.add(h.BONE, soft(np.maximum(front - 2.2, inside)))
    drawing.add(h.MUSCLE, soft(face + 0.8))
    patchy = (0.35 - drawing.texture("face", (9, 22))) * 4
    drawing.add(h.FAT, 0.9 * soft(np.maximum(face + 1.2, patchy), 2.0))
    temporal = tube(side, grid.y, [(57, -38, 5.5), (53, -52, 4.0)])
    drawing.add(h.MUSCLE, soft(np.maximum(temporal, face + 1)))
    zygoma = tube(side, grid.y, [(51, -48, 2.0), (48, -66, 2.6)])
    drawing.add(h.BONE, soft(np.maximum(zygoma, face)))


def _draw_orbits(drawing: h.Drawing, rims: Cranium) -> None:
    """The cone of bone and fat, with optic nerve and the straight muscles where they are cut."""
    side, y = np.abs(drawing.grid.x), drawing.grid.y
    off = abs(drawing.height - _ORBIT_HEIGHT)
    size = np.sqrt(1 - off / 17)
    skin = drawing.grid.polar.within(rims.scalp)
    cone = tube(side, y, [(31, -66, 15.5 * size), (24, -48, 10 * size), (14, -32, 3 * size)])
    drawing.add(h.BONE, soft(np.maximum(cone - 1.8, skin + 9)))
    drawing.add(h.FAT, soft(np.maximum(cone, skin + 2)))
    inner = tube(side, y, [(19.5, -64, 1.2), (17, -50, 2.2), (13, -36, 1.0)])
    outer = tube(side, y, [(43, -64, 1.0), (36, -50, 2.0), (18, -36, 1.0)])
    thinner = min((off / 14) ** 2, 3.0)
    drawing.add(h.MUCOSA, soft(np.minimum(inner, outer) + thinner) * ramp(off, 14, 12))
    nerve = tube(side, y, [(31, -60, 2.0), (22, -44, 1.8), (10, -28, 1.8)])
    drawing.add(h.GREY, soft(nerve) * ramp(off, 7, 4))


def _draw_eyes(drawing: h.Drawing, rims: Cranium) -> None:
    """Eyeballs with lenses, under their lids."""
    side, y = np.abs(drawing.grid.x), drawing.grid.y
    off = abs(drawing.height - _ORBIT_HEIGHT)
    cut = float(np.sqrt(max(_EYE_RADIUS**2 - off**2, 0.0)))
    if cut < 2:
        return
    eye: Map = ellipse(side, y, (31.5, -68), (cut, cut))
    skin = drawing.grid.polar.within(rims.scalp)
    drawing.add(h.SKIN, soft(np.maximum(eye - 2.2, skin - 1.5)))
    drawing.add(h.MUSCLE, soft(eye))
    drawing.add(h.VITREOUS, soft(eye + 1.2))
    drawing.add(h.LENS, soft(ellipse(side, y, (31.5, -76.5), (4.5, 2.2))) * ramp(off, 6, 3))
