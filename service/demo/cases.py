"""Who stands in the demo's gallery: one fictional patient, one head, one lesion each.

Decides by chance what is drawn and where; draws nothing and knows nothing of DICOM.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.demo.head import HeadParameters
from service.demo.lesions import Glioma, Hemorrhage, Lesion, PituitaryTumor
from service.demo.phantom import draw_ct, draw_mr

HEMORRHAGE = "intracerebral_hemorrhage"
PITUITARY = "pituitary_tumor"
GLIOMA = "glioma"
LABELS = (HEMORRHAGE, PITUITARY, GLIOMA)

# Slices end inside the lesion, so that each of them shows what its label says.
_SPAN = 1.5


@dataclass(frozen=True)
class Case:
    """One drawn patient; `number` counts from 1."""

    seed: int
    number: int
    label: str
    head: HeadParameters
    lesion: Lesion

    @classmethod
    def drawn(cls, seed: int, number: int) -> Case:
        """The patient `number` of the gallery `seed`; the labels take turns."""
        rng = np.random.default_rng([seed, number])
        label = LABELS[(number - 1) % len(LABELS)]
        head = HeadParameters.drawn(rng)
        make = {HEMORRHAGE: _hemorrhage, PITUITARY: _pituitary_tumor, GLIOMA: _glioma}[label]
        return cls(seed, number, label, head, make(rng))

    @property
    def modality(self) -> str:
        """CT for bleeds, MR for tumours, as in the wards."""
        return "CT" if self.label == HEMORRHAGE else "MR"

    def heights(self, slices: int) -> tuple[float, ...]:
        """Heights of the slices in mm, from below, evenly through the lesion."""
        steps = np.arange(slices) - (slices - 1) / 2
        return tuple(float(self.lesion.height + step * self.spacing(slices)) for step in steps)

    def spacing(self, slices: int) -> float:
        """Distance of neighbouring slices, mm."""
        return _SPAN * self.lesion.half_height / slices

    def pixels(self, height: float) -> NDArray[np.int16] | NDArray[np.uint16]:
        """The slice at `height`: HU for CT, arbitrary units for MR."""
        noise = np.random.default_rng([self.seed, self.number, round(height * 1000) + 10**6])
        if self.modality == "CT":
            return draw_ct(self.head, height, noise, lesion=self.lesion)
        return draw_mr(self.head, height, noise, lesion=self.lesion)


def _side(rng: np.random.Generator) -> float:
    return float(rng.choice([-1.0, 1.0]))


def _hemorrhage(rng: np.random.Generator) -> Hemorrhage:
    """Basal ganglia in half of the patients, then the lobes, then the thalamus."""
    place = rng.choice(["basal", "lobe", "thalamus"], p=[0.5, 0.3, 0.2])
    radius = float(rng.uniform(9, 20) if place != "thalamus" else rng.uniform(7, 12))
    x, y, height = {
        "basal": (rng.uniform(22, 30), rng.uniform(-16, 8), rng.uniform(38, 46)),
        "lobe": (
            rng.uniform(26, 38),
            rng.choice([-1, 1]) * rng.uniform(24, 46),
            rng.uniform(46, 64),
        ),
        "thalamus": (rng.uniform(11, 15), rng.uniform(0, 10), rng.uniform(37, 42)),
    }[str(place)]
    return Hemorrhage(
        x=_side(rng) * float(x),
        y=float(y),
        height=float(height),
        radius=radius,
        half_height=float(np.clip(radius * rng.uniform(0.8, 1.0), 8, 16)),
        seed=int(rng.integers(2**31)),
        ventricular=place != "lobe" and bool(rng.random() < 0.5),
    )


def _pituitary_tumor(rng: np.random.Generator) -> PituitaryTumor:
    radius = float(rng.uniform(7.5, 15))
    return PituitaryTumor(
        x=float(rng.normal(0, 1.2)),
        y=float(rng.normal(-12.5, 1.0)),
        height=float(rng.uniform(3, 7)),
        radius=radius,
        half_height=float(np.clip(radius, 8, 13)),
        seed=int(rng.integers(2**31)),
    )


def _glioma(rng: np.random.Generator) -> Glioma:
    turn, radius = rng.uniform(0.25, 2.9), float(rng.uniform(10, 20))
    height = float(rng.uniform(36, 68))
    out = rng.uniform(0.42, 0.62) * (1 - 0.25 * max(height - 45, 0) / 25)
    return Glioma(
        x=_side(rng) * float(10 + 60 * out * np.sin(turn)),
        y=float(-80 * out * np.cos(turn)),
        height=height,
        radius=radius,
        half_height=float(np.clip(radius, 10, 17)),
        seed=int(rng.integers(2**31)),
        oedema=float(rng.uniform(3, 13)),
    )
