"""Lesions of the demo heads: intracerebral bleed, sellar mass, ring-enhancing glioma.

A lesion is laid over the brain of one slice. Knows nothing of DICOM, labels or pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from service.demo import canvas
from service.demo import head as h
from service.demo.canvas import Map, Polar, ellipse, ramp, soft
from service.demo.cerebrum import Brain

BLOOD = h.Tissue(66, 0.55)
BLOOD_CSF = h.Tissue(58, 0.45)
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

    def cut(self, height: float) -> float:
        """Radius of the slice through it, 0 outside."""
        off = (height - self.height) / self.half_height
        return self.radius * float(np.sqrt(max(1 - off * off, 0.0)))

    def stream(self, purpose: str) -> np.random.Generator:
        """The same random stream at every height."""
        return np.random.default_rng([self.seed, *purpose.encode()])

    def edge(self, x: Map, y: Map, height: float, roughness: float) -> Map:
        """Distance to its irregular edge; also bent outwards and in by some millimetres."""
        polar = Polar.of(x - np.float32(self.x), y - np.float32(self.y))
        wobble = 0.75 * canvas.ring_noise(self.stream("shape"), height, (2, 3))
        wobble = wobble + 0.3 * canvas.ring_noise(self.stream("lobes"), height, (4, 7))
        return polar.radius - self.cut(height) * polar.profile(
            (1 + roughness * wobble).astype(np.float32)
        )

    def push(self, height: float) -> h.Push:
        """Mass effect: the tissue round the lesion gives way, most at its edge."""
        shift, wide = self.mass_effect * self.cut(height), 1.1 * self.radius + 10.0

        def moved(x: Map, y: Map) -> tuple[Map, Map]:
            dx, dy = x - self.x, y - self.y
            away = np.hypot(dx, dy) + np.float32(1e-3)
            back = shift * np.exp(-((away / wide) ** 2)) * np.minimum(away / 4, 1) / away
            return x - dx * back, y - dy * back

        return moved

    def draw(self, drawing: h.Drawing, grid: h.Grid, height: float, brain: Brain) -> None:
        """Lays the lesion over the slice at `height`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Hemorrhage(Lesion):
    """A bleed into the brain; `ventricular` when it has broken into the ventricles."""

    ventricular: bool

    def draw(self, drawing: h.Drawing, grid: h.Grid, height: float, brain: Brain) -> None:
        """Clot of two lobes with a dark rim, and blood that settles in the ventricle of its side."""
        ragged = grid.field(self.stream("edge"), (9, 22), height)
        edge = self.edge(grid.x, grid.y, height, 0.13)
        turn = self.stream("second lobe").uniform(0, 2 * np.pi)
        cut = self.cut(height)
        lobe = ellipse(
            grid.x,
            grid.y,
            (self.x + 0.75 * cut * np.cos(turn), self.y + 0.9 * cut * np.sin(turn)),
            (0.55 * cut, 0.65 * cut),
        )
        clot = np.minimum(edge, lobe) + 0.9 * ragged
        in_brain = soft(1.5 - brain.depth)
        halo = 3.0 + 0.25 * cut + 1.6 * grid.field(self.stream("oedema"), (12, 30), height)
        drawing.add(OEDEMA, in_brain * (1 - brain.ventricles) * soft(clot - halo, 3.5) * 0.85)
        drawing.add(SERUM, in_brain * soft(clot - 0.9, 1.6) * 0.7)
        drawing.add(BLOOD, in_brain * soft(clot, 2.0))
        drawing.add(h.Tissue(80, 0.5), in_brain * soft(clot + 3, 6) * soft(-ragged, 3) * 0.6)
        if self.ventricular:
            same_side = soft(-np.sign(self.x) * grid.x - 2, 4)
            settled = soft(self.y + 4 - grid.y, 16) * same_side + 0.8 * soft(34 - grid.y, 1.5)
            drawing.add(BLOOD_CSF, brain.ventricles * np.clip(settled, 0, 1))


@dataclass(frozen=True)
class PituitaryTumor(Lesion):
    """A mass growing out of the sella; it fills a space that was empty, so it moves little."""

    mass_effect: ClassVar[float] = 0.1

    def draw(self, drawing: h.Drawing, grid: h.Grid, height: float, brain: Brain) -> None:
        """A bright, even, smoothly lobed mass between the carotids."""
        edge = self.edge(grid.x * 0.92, grid.y, height, 0.07)
        texture = grid.field(self.stream("texture"), (6, 14), height)
        drawing.add(h.FLOW_VOID, 0.7 * soft(edge - 0.7))
        drawing.add(ADENOMA, soft(edge))
        drawing.add(RIM, 0.35 * soft(np.maximum(edge + 1, -edge - 2.2)))
        drawing.add(h.DURA, soft(edge + 2, 4) * np.clip(0.15 * texture, 0, 0.4))


@dataclass(frozen=True)
class Glioma(Lesion):
    """A ring-enhancing tumour with a necrotic core and oedema that follows the white matter."""

    oedema: float
    """How far the oedema reaches, mm."""

    def draw(self, drawing: h.Drawing, grid: h.Grid, height: float, brain: Brain) -> None:
        """Oedema in the white matter, a ring of uneven width, a dark core with nodules."""
        edge = self.edge(grid.x, grid.y, height, 0.14)
        fine = grid.field(self.stream("edge"), (7, 15), height)
        edge = edge + 0.9 * fine
        in_brain = soft(1.0 - brain.depth)
        fingers = edge - self.oedema * (
            1 + 0.35 * grid.field(self.stream("oedema"), (20, 45), height)
        )
        drawing.add(OEDEMA, 0.85 * brain.white * soft(fingers, 5))
        drawing.add(OEDEMA, 0.5 * in_brain * (1 - brain.ventricles) * soft(edge - 3, 5))
        cut = self.cut(height)
        uneven = grid.field(self.stream("ring"), (16, 40), height)
        ring = np.clip(0.26 * cut * (1 + 0.7 * uneven), 1.6, 11.0)
        drawing.add(RIM, in_brain * soft(edge, 2.4) * np.clip(0.86 + 0.16 * fine, 0, 1))
        core = edge + ring + 0.5 * fine
        drawing.add(NECROSIS, in_brain * soft(core, 3.5))
        drawing.add(
            OEDEMA, in_brain * soft(core + 2, 3) * np.clip(0.45 * fine, 0, 0.7) * ramp(cut, 4, 9)
        )
