"""What lies low in the middle of the head: sella, sphenoid and ethmoid, and the petrous bone.

Appends layers to a drawing whose brain and face stand already. Chooses no grey values.
"""

from __future__ import annotations

import numpy as np

from service.demo import head as h
from service.demo.canvas import ellipse, ramp, soft, tube
from service.demo.cranium import Cranium


def draw_skull_base(drawing: h.Drawing, rims: Cranium) -> None:
    """All of the central base below 13 mm, and the petrous bone below 6 mm."""
    if drawing.height < 13:
        _draw_nose_cells(drawing)
        _draw_sella(drawing)
    if drawing.height < 6:
        _draw_petrous(drawing, rims)


def _draw_nose_cells(drawing: h.Drawing) -> None:
    """Ethmoid cells with their septa and the sphenoid sinus, air lined with mucosa."""
    x, y = drawing.grid.x, drawing.grid.y
    low = ramp(drawing.height, 13, 8)
    septa = 0.9 - np.abs(3.4 * drawing.texture("ethmoid", (7, 13)))
    block = tube(np.abs(x), y, [(0, -86, 8), (0, -60, 12), (0, -38, 12)])
    drawing.add(h.BONE, low * soft(block - 1))
    drawing.add(h.MUCOSA, low * soft(block))
    drawing.add(h.AIR, low * soft(np.maximum(block + 0.8, septa), 1.2))
    drawing.add(h.BONE, low * soft(tube(x, y, [(0, -90, 0.4), (0.6, -60, 0.5), (0, -38, 0.4)])))
    basin = tube(np.abs(x), y, [(0, -14, 11), (9, -12, 9)])
    drawing.add(h.BONE, low * soft(basin - 1.5))
    sphenoid = ellipse(x, y, (1, -28), (13, 9 + 2 * low))
    drawing.add(h.BONE, low * soft(sphenoid - 1.2))
    drawing.add(h.MUCOSA, low * soft(sphenoid))
    drawing.add(h.AIR, low * soft(np.maximum(sphenoid + 1.0, 0.7 - np.abs(x - 2))))


def _draw_sella(drawing: h.Drawing) -> None:
    """The pituitary gland between the cavernous sinuses with their carotids; clivus behind."""
    x, y = drawing.grid.x, drawing.grid.y
    side = np.abs(x)
    low = ramp(drawing.height, 13, 8)
    drawing.add(h.MARROW, low * soft(ellipse(x, y, (0, -5), (14, 3.2))))
    drawing.add(h.MUCOSA, low * soft(ellipse(x, y, (0, -13), (7.5, 5))))
    drawing.add(h.DURA, low * soft(ellipse(side, y, (13, -12), (6.0, 8.5))))
    drawing.add(h.VESSEL, low * 0.7 * soft(ellipse(side, y, (13, -12), (4.8, 7.2)), 2))
    carotid = ellipse(side, y, (12.5, -13 - 0.4 * drawing.height), (2.7, 3.0))
    drawing.add(h.FLOW_VOID, low * soft(carotid))


def _draw_petrous(drawing: h.Drawing, rims: Cranium) -> None:
    """Petrous ridges with air cells and marrow, ending in the mastoid."""
    grid = drawing.grid
    side, low = np.abs(grid.x), ramp(drawing.height, 6, 0)
    cells = drawing.texture("petrous", (6, 14))
    ridge = tube(side, grid.y, [(15, 1, 2 * low), (36, 11, 5 * low), (57, 22, 10 * low)])
    ridge = np.maximum(ridge, grid.polar.within(rims.bone) - 0.5)
    drawing.add(h.BONE, soft(ridge + 0.5 * cells, 1.4))
    drawing.add(h.AIR, soft(np.maximum(ridge + 2.5, (0.3 - cells) * 3)) * soft(44 - side, 4))
    drawing.add(h.MARROW, soft(np.maximum(ridge + 2, (cells + 0.2) * 3)) * soft(side - 30, 4))
