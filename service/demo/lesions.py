"""Lesions of the demo heads: intracerebral bleed, sellar mass, ring-enhancing glioma.

A lesion is laid over the brain of one slice. Knows nothing of DICOM, labels or pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from service.demo import head as h
from service.demo.canvas import Map, Polar, ellipse, ramp, ring_noise, soft
from service.demo.cerebrum import Brain

BLOOD = h.Tissue(66, 0.55)
DENSE_BLOOD = h.Tissue(80, 0.50)
BLOODY_CSF = h.Tissue(58, 0.45)
SERUM = h.Tissue(17, 0.30)
OEDEMA = h.Tissue(19, 0.33)
NECROSIS = h.Tissue(14, 0.24)
RIM = h.Tissue(42, 0.92)
ADENOMA = h.Tissue(48, 0.84)


@dataclass(frozen=True)
class Lesion:
    """A roundish thing in the head, mm in the head's frame; `seed` fixes its irregularities."""

    mass_effect: ClassVar[float] = 0.35
    """By what part of its radius it moves its surroundings."""

    x: float
    y: float
    height: float
    radius: float
    half_height: float
    seed: int

    def draw(self, drawing: h.Drawing, brain: Brain) -> None:
        """Lays the lesion over the slice."""
        raise NotImplementedError

    def push(self, height: float) -> h.Push:
        """Mass effect: the tissue round the lesion gives way, most at its edge."""
        shift, wide = self.mass_effect * self.cut(height), 1.1 * self.radius + 10.0

        def moved(x: Map, y: Map) -> tuple[Map, Map]:
            dx, dy = x - self.x, y - self.y
            away = np.hypot(dx, dy) + np.float32(1e-3)
            back = shift * np.exp(-np.square(away / wide)) * np.minimum(away / 4, 1) / away
            return x - dx * back, y - dy * back

        return moved

    def cut(self, height: float) -> float:
        """Radius of the slice through it, 0 outside, mm."""
        off = (height - self.height) / self.half_height
        return self.radius * math.sqrt(max(1 - off * off, 0.0))

    def edge(self, drawing: h.Drawing, roughness: float) -> Map:
        """Distance to its edge, which strays by about the part `roughness` of the radius."""
        around = Polar.of(drawing.grid.x - self.x, drawing.grid.y - self.y)
        wobble = 0.75 * ring_noise(self.stream("shape"), drawing.height, (2, 3))
        wobble = wobble + 0.3 * ring_noise(self.stream("lobes"), drawing.height, (4, 7))
        return around.within(self.cut(drawing.height) * (1 + roughness * wobble))

    def texture(self, drawing: h.Drawing, purpose: str, wavelength: tuple[float, float]) -> Map:
        """A smooth random field that belongs to this lesion."""
        return drawing.field(self.stream(purpose), wavelength)

    def stream(self, purpose: str) -> np.random.Generator:
        """The same random stream at every height."""
        return np.random.default_rng([self.seed, *purpose.encode()])


@dataclass(frozen=True)
class Hemorrhage(Lesion):
    """A bleed into the brain; `ventricular` when it has broken into the ventricles."""

    ventricular: bool

    def draw(self, drawing: h.Drawing, brain: Brain) -> None:
        """A clot of two lobes in a dark rim, and blood that settles in the ventricles."""
        cut, grid = self.cut(drawing.height), drawing.grid
        ragged = self.texture(drawing, "edge", (9, 22))
        turn = self.stream("second lobe").uniform(0, 2 * np.pi)
        centre = (self.x + 0.75 * cut * np.cos(turn), self.y + 0.9 * cut * np.sin(turn))
        lobe = ellipse(grid.x, grid.y, centre, (0.55 * cut, 0.65 * cut))
        clot = np.minimum(self.edge(drawing, 0.13), lobe) + 0.9 * ragged
        halo = 3.0 + 0.25 * cut + 1.6 * self.texture(drawing, "oedema", (12, 30))
        in_brain = soft(1.5 - brain.depth)
        swollen = in_brain * (1 - brain.ventricles) * soft(clot - halo, 3.5)
        drawing.add(OEDEMA, 0.85 * swollen)
        drawing.add(SERUM, 0.7 * in_brain * soft(clot - 0.9, 1.6))
        drawing.add(BLOOD, in_brain * soft(clot, 2.0))
        drawing.add(DENSE_BLOOD, 0.6 * in_brain * soft(clot + 3, 6) * soft(-ragged, 3))
        if self.ventricular:
            # Most of it on the side of the bleed; lying on the back, it sinks into the horns.
            same_side = soft(-2 - math.copysign(1, self.x) * grid.x, 4)
            settled = same_side * soft(self.y + 4 - grid.y, 16) + 0.8 * soft(34 - grid.y, 1.5)
            drawing.add(BLOODY_CSF, brain.ventricles * np.clip(settled, 0, 1))


@dataclass(frozen=True)
class PituitaryTumor(Lesion):
    """A mass growing out of the sella, into a space that was empty: it moves little."""

    mass_effect: ClassVar[float] = 0.1

    def draw(self, drawing: h.Drawing, brain: Brain) -> None:
        """A bright, even, smoothly lobed mass between the carotids."""
        edge = self.edge(drawing, 0.07)
        uneven = np.clip(0.15 * self.texture(drawing, "texture", (6, 14)), 0, 0.4)
        drawing.add(h.FLOW_VOID, 0.7 * soft(edge - 0.7))
        drawing.add(ADENOMA, soft(edge))
        drawing.add(RIM, 0.35 * soft(np.maximum(edge + 1, -edge - 2.2)))
        drawing.add(h.DURA, uneven * soft(edge + 2, 4))


@dataclass(frozen=True)
class Glioma(Lesion):
    """A ring-enhancing tumour with a necrotic core and oedema that follows the white matter."""

    oedema: float
    """How far the oedema reaches, mm."""

    def draw(self, drawing: h.Drawing, brain: Brain) -> None:
        """Oedema in the white matter, a ring of uneven width, a dark core with nodules."""
        cut = self.cut(drawing.height)
        fine = self.texture(drawing, "edge", (7, 15))
        edge = self.edge(drawing, 0.14) + 0.9 * fine
        in_brain = soft(1.0 - brain.depth)
        reach = self.oedema * (1 + 0.35 * self.texture(drawing, "oedema", (20, 45)))
        drawing.add(OEDEMA, 0.85 * brain.white * soft(edge - reach, 5))
        drawing.add(OEDEMA, 0.5 * in_brain * (1 - brain.ventricles) * soft(edge - 3, 5))
        uneven = self.texture(drawing, "ring", (16, 40))
        ring = np.clip(0.26 * cut * (1 + 0.7 * uneven), 1.6, 11.0)
        drawing.add(RIM, in_brain * soft(edge, 2.4) * np.clip(0.86 + 0.16 * fine, 0, 1))
        core = edge + ring + 0.5 * fine
        drawing.add(NECROSIS, in_brain * soft(core, 3.5))
        nodules = np.clip(0.45 * fine, 0, 0.7) * ramp(cut, 4, 9)
        drawing.add(OEDEMA, in_brain * soft(core + 2, 3) * nodules)
