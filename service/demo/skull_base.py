"""What lies low in the head: brain stem, cerebellum, cisterns, sella, orbits, sinuses, ears' bone.

Appends layers to a drawing whose skull and brain stand already. Chooses no grey values, draws no
lesion; above about 26 mm it adds nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from service.demo import head as h
from service.demo.canvas import ellipse, ramp, soft, tube
from service.demo.cerebrum import Brain
from service.demo.cranium import Cranium

TOP_MM = 26.0


def draw_skull_base(
    drawing: h.Drawing,
    head: h.HeadParameters,
    grid: h.Grid,
    height: float,
    rims: Cranium,
    brain: Brain,
) -> None:
    """Everything between the sella's floor and the lower edge of the third ventricle."""
    if height >= TOP_MM:
        return
    _draw_hindbrain(drawing, head, grid, height, brain)
    _draw_cisterns(drawing, head, grid, brain, height)
    # The face is measured on an average head and stretched to this one.
    grid = replace(grid, x=grid.x * (74 / head.half_width), y=grid.y * (93 / head.half_length))
    _draw_face(drawing, head, grid, height, rims)
    _draw_orbits(drawing, grid, height, rims)
    _draw_central_base(drawing, head, grid, height)
    _draw_petrous(drawing, head, grid, height, rims)


def _draw_hindbrain(
    drawing: h.Drawing, head: h.HeadParameters, grid: h.Grid, height: float, brain: Brain
) -> None:
    """Cerebellum with its folia below the tentorium, midbrain or pons, fourth ventricle."""
    x, y = brain.x, brain.y
    side = np.abs(x)
    wide = 92 - 70 * ramp(height, -4, 24)
    tent = 0.7 * (side - wide * np.sqrt(np.clip((y - 20) / 44, 0, None)))
    tent = np.maximum(tent, 1.5 - brain.depth)
    there = ramp(height, 26, 20)
    arcs = np.hypot(0.8 * side, y - 10) + 3 * grid.field(head.stream("folia"), (16, 50), height)
    folia = np.abs((arcs + 0.6 * height) % 4.6 - 2.3)
    cerebellum = soft(tent)
    drawing.add(h.DURA, there * soft(tent - 1.2))
    drawing.add(h.CSF, there * soft(tent - 0.6))
    drawing.add(h.GREY, there * cerebellum)
    core = np.maximum(ellipse(side, y, (14, 40), (15, 16)), 2.4 - folia)
    drawing.add(
        h.WHITE,
        there * cerebellum * 0.8 * soft(np.minimum(core, ellipse(side, y, (13, 38), (9, 9))), 3),
    )
    faint = np.clip(
        0.3 + 0.25 * grid.field(head.stream("folia contrast"), (15, 40), height), 0, 0.6
    )
    drawing.add(h.CSF, there * cerebellum * faint * soft(folia - 0.3))
    drawing.add(h.GREY, there * cerebellum * soft(ellipse(x, y, (0, 46), (5, 20)), 4) * 0.7)


def _draw_cisterns(
    drawing: h.Drawing, head: h.HeadParameters, grid: h.Grid, brain: Brain, height: float
) -> None:
    """Suprasellar, ambient and prepontine cisterns, with the brain stem standing in them."""
    x, y = brain.x, brain.y
    side = np.abs(x)
    fade = ramp(height, 25, 21)
    wide = 1 + 0.4 * head.atrophy
    star = np.minimum(
        ellipse(x, y, (0, -8), (11 * wide, 9)), tube(side, y, [(0, -14, 3.5), (22, -15, 1.0)])
    )
    star = np.minimum(star, tube(side, y, [(6, -12, 3), (3, -26, 0.6)]))
    drawing.add(h.CSF, fade * soft(star, 1.6) * ramp(height, 4, 9))
    low = ramp(height, 12, 5)
    stem = (15 + 2.5 * low, 10.5 + 2 * low)
    centre = (0.0, 10.0 + 4 * low)
    around = ellipse(x, y, centre, (stem[0] + 2.2 * wide, stem[1] + 2.2 * wide))
    uneven = grid.field(head.stream("cistern"), (12, 30), height)
    peduncles = 12 * low * soft(centre[1] + 1 - y, 6) * soft(6 - side, 4)
    drawing.add(h.CSF, fade * soft(around + 1.3 * uneven + peduncles, 1.6))
    back = ellipse(side, y, (0, 25.5), (9, 4.2 * wide))
    drawing.add(h.CSF, fade * (1 - low) * soft(back, 1.4))
    shape = ellipse(x, y, centre, stem)
    notch = ellipse(x, y, (0, centre[1] - stem[1]), (4.5, 4.5 * (1 - low) + 0.2))
    shape = np.maximum(shape, -notch * (1 - low) - 10 * low)
    drawing.add(h.WHITE, fade * soft(shape))
    drawing.add(h.GREY, fade * 0.6 * soft(ellipse(side, y, (5, centre[1] + 1), (4, 3)), 2))
    aqueduct = (1.2 + 5 * low, 1.2 + 2.6 * low)
    drawing.add(h.CSF, fade * soft(ellipse(x, y, (0, centre[1] + stem[1] - 4 + 6 * low), aqueduct)))
    drawing.add(h.VESSEL, fade * soft(ellipse(x, y, (0.8, centre[1] - stem[1] - 1.8), (1.5, 1.5))))
    horn = tube(side, y, [(29, -4, 1.4), (33, 4, 1.0), (33, 14, 0.6)])
    drawing.add(h.CSF, fade * soft(horn) * ramp(height, 6, 10) * min(1.0, head.ventricles - 0.4))


def _draw_face(
    drawing: h.Drawing, head: h.HeadParameters, grid: h.Grid, height: float, rims: Cranium
) -> None:
    """The sphenoid wings and what lies in front of them, retreating as the frontal lobes appear."""
    x, y = grid.x, grid.y
    side = np.abs(x)
    retreat = 70 * ramp(height, 9, 13)
    edge = -33 - 12 * np.clip(1 - ((side - 36) / 22) ** 2, -1, 1) - retreat
    front = y - edge
    inside = grid.polar.radius - grid.polar.profile(rims.bone)
    face = np.maximum(front, inside)
    drawing.add(h.BONE, soft(np.maximum(front - 2.2, inside)))
    patchy = grid.field(head.stream("face"), (9, 22), height)
    drawing.add(h.MUSCLE, soft(face + 0.8))
    drawing.add(h.FAT, soft(np.maximum(face + 1.2, (0.35 - patchy) * 4), 2.0) * 0.9)
    temporal = tube(side, y, [(57, -38, 5.5), (53, -52, 4.0)])
    drawing.add(h.MUSCLE, soft(np.maximum(temporal, face + 1)))
    zygoma = tube(side, y, [(51, -48, 2.0), (48, -66, 2.6)])
    drawing.add(h.BONE, soft(np.maximum(zygoma, face)) * ramp(height, 16, 10))


def _draw_orbits(drawing: h.Drawing, grid: h.Grid, height: float, rims: Cranium) -> None:
    """Orbital fat in its cone of bone, eye, optic nerve and the straight muscles."""
    off = abs(height - 2.0)
    if off > 15:
        return
    side, y = np.abs(grid.x), grid.y
    size = np.sqrt(1 - off / 17)
    cone = tube(side, y, [(31, -66, 15.5 * size), (24, -48, 10 * size), (14, -32, 3 * size)])
    skin = grid.polar.radius - grid.polar.profile(rims.scalp)
    drawing.add(h.BONE, soft(np.maximum(cone - 1.8, skin + 9)))
    drawing.add(h.FAT, soft(np.maximum(cone, skin + 2)))
    if off < 14:
        reach = 1 - (off / 14) ** 2
        inner = tube(side, y, [(19.5, -64, 1.2), (17, -50, 2.2), (13, -36, 1.0)])
        outer = tube(side, y, [(43, -64, 1.0), (36, -50, 2.0), (18, -36, 1.0)])
        drawing.add(h.MUCOSA, soft(np.minimum(inner, outer) + 1 - reach))
        drawing.add(
            h.GREY,
            soft(tube(side, y, [(31, -60, 2.0), (22, -44, 1.8), (10, -28, 1.8)])) * ramp(off, 7, 4),
        )
    ball = np.sqrt(max(12.0**2 - off**2, 0.0))
    if ball > 2:
        eye = ellipse(side, y, (31.5, -68), (ball, ball))
        drawing.add(h.SKIN, soft(np.maximum(eye - 2.2, skin - 1.5)))
        drawing.add(h.MUSCLE, soft(eye))
        drawing.add(h.VITREOUS, soft(eye + 1.2))
        drawing.add(h.LENS, soft(ellipse(side, y, (31.5, -76.5), (4.5, 2.2))) * ramp(off, 6, 3))


def _draw_central_base(
    drawing: h.Drawing, head: h.HeadParameters, grid: h.Grid, height: float
) -> None:
    """Ethmoid cells, sphenoid sinus, sella with the cavernous sinuses and carotids, clivus."""
    x, y = grid.x, grid.y
    side = np.abs(x)
    low = ramp(height, 13, 8)
    if low <= 0:
        return
    cells = grid.field(head.stream("ethmoid"), (7, 13), height)
    block = tube(side, y, [(0, -86, 8), (0, -60, 12), (0, -38, 12)])
    drawing.add(h.BONE, low * soft(block - 1))
    drawing.add(h.MUCOSA, low * soft(block))
    drawing.add(h.AIR, low * soft(np.maximum(block + 0.8, 0.9 - np.abs(3.4 * cells)), 1.2))
    drawing.add(h.BONE, low * soft(tube(x, y, [(0, -90, 0.4), (0.6, -60, 0.5), (0, -38, 0.4)])))
    basin = tube(side, y, [(0, -14, 11), (9, -12, 9)])
    drawing.add(h.BONE, low * soft(basin - 1.5))
    drawing.add(h.MARROW, low * soft(ellipse(x, y, (0, -5), (14, 3.2))))
    sphenoid = ellipse(x, y, (1, -28), (13, 9 + 2 * low))
    drawing.add(h.BONE, low * soft(sphenoid - 1.2))
    drawing.add(h.MUCOSA, low * soft(sphenoid))
    drawing.add(h.AIR, low * soft(np.maximum(sphenoid + 1.0, 0.7 - np.abs(x - 2))))
    drawing.add(h.MUCOSA, low * soft(ellipse(x, y, (0, -13), (7.5, 5))))
    drawing.add(h.DURA, low * soft(ellipse(side, y, (13, -12), (6.0, 8.5))))
    drawing.add(h.VESSEL, low * 0.7 * soft(ellipse(side, y, (13, -12), (4.8, 7.2)), 2))
    drawing.add(h.FLOW_VOID, low * soft(ellipse(side, y, (12.5, -13 - 0.4 * height), (2.7, 3.0))))


def _draw_petrous(
    drawing: h.Drawing, head: h.HeadParameters, grid: h.Grid, height: float, rims: Cranium
) -> None:
    """Petrous ridges with mastoid cells, and the sinuses that run behind them."""
    side, y = np.abs(grid.x), grid.y
    low = ramp(height, 6, 0)
    if low > 0:
        wave = grid.field(head.stream("petrous"), (6, 14), height)
        ridge = tube(side, y, [(15, 1, 2.0 * low), (36, 11, 5.0 * low), (57, 22, 10.0 * low)])
        ridge = np.maximum(ridge, grid.polar.radius - grid.polar.profile(rims.bone) - 0.5)
        drawing.add(h.BONE, soft(ridge + 0.5 * wave, 1.4))
        drawing.add(h.AIR, soft(np.maximum(ridge + 2.5, (0.3 - wave) * 3)) * soft(44 - side, 4))
        drawing.add(h.MARROW, soft(np.maximum(ridge + 2, (wave + 0.2) * 3)) * soft(side - 30, 4))
