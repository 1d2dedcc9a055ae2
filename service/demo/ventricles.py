"""The lateral and third ventricles at any height of the drawn brain. Draws nothing itself."""

from __future__ import annotations

import numpy as np

from service.demo.canvas import Map, ramp, tube
from service.demo.head import Drawing

_HEIGHTS = (20.0, 30.0, 42.0, 52.0, 62.0, 68.0)

# One lateral ventricle at these heights: (x, y, radius) in mm of six points from the frontal to the
# occipital horn. A radius below zero means that this part is not cut at that height.
_POINTS = (
    (
        (15, -36, -3.0),
        (9, -28, -3.0),
        (6, -20, -3.0),
        (20, 6, -4.0),
        (29, 12, -3.0),
        (33, 20, -2.0),
    ),
    ((15, -35, 1.2), (8, -29, 2.2), (4, -20, 1.6), (16, 2, -4.0), (29, 24, 1.6), (29, 38, 1.2)),
    ((17, -36, 1.6), (9, -30, 3.0), (4.5, -19, 2.6), (6, -4, -1.5), (24, 27, 4.2), (25, 45, 1.6)),
    ((16, -33, 1.2), (9, -27, 3.2), (6.5, -14, 3.2), (9, 4, 3.0), (19, 23, 4.2), (23, 35, 1.8)),
    ((12, -25, 0.6), (9, -17, 2.2), (9, -6, 2.6), (11, 8, 2.8), (15, 20, 2.2), (18, 27, -1.0)),
    (
        (11, -20, -3.0),
        (10, -14, -2.0),
        (10, -6, -1.0),
        (12, 6, -1.0),
        (15, 18, -3.0),
        (18, 24, -4.0),
    ),
)


def ventricles_edge(drawing: Drawing, x: Map, y: Map) -> Map:
    """Distance to the nearest ventricle, mm, for brain that stood at (x, y)."""
    height, wide = drawing.height, drawing.head.ventricles
    above = float(np.interp(height, _HEIGHTS, range(len(_HEIGHTS))))
    low = min(int(above), len(_HEIGHTS) - 2)
    part = above - low
    points = np.array(_POINTS[low]) * (1 - part) + np.array(_POINTS[low + 1]) * part
    bent = [(px + 1.5 * (wide - 1), py, r * wide if r > 0 else r) for px, py, r in points]
    lateral = tube(np.abs(x), y, bent) + 0.7 * drawing.texture("ventricles", (18, 40))
    third = tube(x, y, [(0, -9, 0.6), (0, 0, 1.3 * wide), (0, 10, 0.8)])
    closed = 6 * (ramp(height, 38, 42) + ramp(height, 20, 16))
    nearest: Map = np.minimum(lateral, third + closed)
    return nearest
