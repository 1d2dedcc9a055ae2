"""Brain stem, cerebellum and the cisterns round them, below the cerebrum's middle.

Appends layers to a drawing whose brain stands already. Chooses no grey values.
"""

from __future__ import annotations

import numpy as np

from service.demo import head as h
from service.demo.canvas import ellipse, ramp, soft, tube
from service.demo.cerebrum import Brain

_TOP_MM = 26.0


def draw_hindbrain(drawing: h.Drawing, brain: Brain) -> None:
    """Everything under the tentorium, and the basal cisterns; nothing above 26 mm."""
    if drawing.height < _TOP_MM:
        _draw_cerebellum(drawing, brain)
        _draw_cisterns(drawing, brain)
        _draw_stem(drawing, brain)


def _draw_cerebellum(drawing: h.Drawing, brain: Brain) -> None:
    """Cerebellum with its folia below the tentorium."""
    height, x, y = drawing.height, brain.x, brain.y
    side = np.abs(x)
    there = ramp(height, 26, 20)
    wide = 92 - 70 * ramp(height, -4, 24)
    tent = 0.7 * (side - wide * np.sqrt(np.clip((y - 20) / 44, 0, None)))
    tent = np.maximum(tent, 1.5 - brain.depth)
    cerebellum = there * soft(tent)
    drawing.add(h.DURA, there * soft(tent - 1.2))
    drawing.add(h.CSF, there * soft(tent - 0.6))
    drawing.add(h.GREY, cerebellum)
    arcs = np.hypot(0.8 * side, y - 10) + 3 * drawing.texture("folia", (16, 50))
    folia = np.abs((arcs + 0.6 * height) % 4.6 - 2.3)
    arbor = np.maximum(ellipse(side, y, (14, 40), (15, 16)), 2.4 - folia)
    arbor = np.minimum(arbor, ellipse(side, y, (13, 38), (9, 9)))
    drawing.add(h.WHITE, 0.8 * cerebellum * soft(arbor, 3))
    faint = np.clip(0.3 + 0.25 * drawing.texture("folia contrast", (15, 40)), 0, 0.6)
    drawing.add(h.CSF, cerebellum * faint * soft(folia - 0.3))
    drawing.add(h.GREY, 0.7 * cerebellum * soft(ellipse(x, y, (0, 46), (5, 20)), 4))


def _stem(height: float) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Centre and half axes of the brain stem, and how far it is pons (1) or midbrain (0)."""
    low = ramp(height, 12, 5)
    return (0.0, 10 + 4 * low), (15 + 2.5 * low, 10.5 + 2 * low), low


def _draw_cisterns(drawing: h.Drawing, brain: Brain) -> None:
    """Suprasellar star, ambient and quadrigeminal cisterns, temporal horns."""
    height, head, x, y = drawing.height, drawing.head, brain.x, brain.y
    side = np.abs(x)
    fade, wide = ramp(height, 25, 21), 1 + 0.4 * head.atrophy
    star = ellipse(x, y, (0, -8), (11 * wide, 9))
    star = np.minimum(star, tube(side, y, [(0, -14, 3.5), (22, -15, 1.0)]))
    star = np.minimum(star, tube(side, y, [(6, -12, 3), (3, -26, 0.6)]))
    drawing.add(h.CSF, fade * soft(star, 1.6) * ramp(height, 4, 9))
    centre, axes, low = _stem(height)
    around = ellipse(x, y, centre, (axes[0] + 2.2 * wide, axes[1] + 2.2 * wide))
    uneven = 1.3 * drawing.texture("cistern", (12, 30))
    # The pons is joined to the cerebellum behind it, so there the ring of fluid is open.
    joined = 12 * low * soft(centre[1] + 1 - y, 6) * soft(6 - side, 4)
    drawing.add(h.CSF, fade * soft(around + uneven + joined, 1.6))
    back = ellipse(side, y, (0, 25.5), (9, 4.2 * wide))
    drawing.add(h.CSF, fade * (1 - low) * soft(back, 1.4))
    horn = tube(side, y, [(29, -4, 1.4), (33, 4, 1.0), (33, 14, 0.6)])
    drawing.add(h.CSF, fade * soft(horn) * ramp(height, 6, 10) * min(1.0, head.ventricles - 0.4))


def _draw_stem(drawing: h.Drawing, brain: Brain) -> None:
    """Midbrain or pons, aqueduct or fourth ventricle, basilar artery."""
    x, y = brain.x, brain.y
    fade = ramp(drawing.height, 25, 21)
    centre, axes, low = _stem(drawing.height)
    notch = ellipse(x, y, (0, centre[1] - axes[1]), (4.5, 4.5 * (1 - low) + 0.2))
    shape = np.maximum(ellipse(x, y, centre, axes), -notch * (1 - low) - 10 * low)
    drawing.add(h.WHITE, fade * soft(shape))
    drawing.add(h.GREY, 0.6 * fade * soft(ellipse(np.abs(x), y, (5, centre[1] + 1), (4, 3)), 2))
    water_y = centre[1] + axes[1] - 4 + 6 * low
    water = ellipse(x, y, (0, water_y), (1.2 + 5 * low, 1.2 + 2.6 * low))
    drawing.add(h.CSF, fade * soft(water))
    basilar = ellipse(x, y, (0.8, centre[1] - axes[1] - 1.8), (1.5, 1.5))
    drawing.add(h.VESSEL, fade * soft(basilar))
