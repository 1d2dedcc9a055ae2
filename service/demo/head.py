"""The head's measures and the slice on which it is drawn: sizes, pose, tissues, layers.

Heights are millimetres above the floor of the sella; the vertex lies at about 95. Knows no anatomy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from service.demo.canvas import Map, Polar, Profile, ring_noise, smooth_field

FIELD_OF_VIEW_MM = 220.0


@dataclass(frozen=True)
class Tissue:
    """What a tissue looks like: Hounsfield units, T1 signal after contrast (white matter 0.5)."""

    hu: float
    mr: float


AIR = Tissue(-1000, 0.0)
SKIN = Tissue(35, 0.55)
FAT = Tissue(-95, 0.88)
MUSCLE = Tissue(55, 0.40)
BONE = Tissue(1300, 0.04)
MARROW = Tissue(620, 0.40)
CSF = Tissue(7, 0.14)
GREY = Tissue(38, 0.41)
WHITE = Tissue(28, 0.50)
DURA = Tissue(48, 0.62)
VESSEL = Tissue(44, 0.95)
FLOW_VOID = Tissue(42, 0.06)
MUCOSA = Tissue(40, 0.75)
VITREOUS = Tissue(9, 0.16)
LENS = Tissue(85, 0.40)
CHOROID = Tissue(110, 0.85)


@dataclass(frozen=True)
class HeadParameters:
    """One person's head. Lengths in mm, angles in radians; `seed` fixes folds, vessels and bias."""

    half_width: float
    half_length: float
    scalp: float
    skull: float
    ventricles: float
    """Width of the ventricles, 1 is usual."""
    atrophy: float
    """0 young and tight .. 1 wide sulci."""
    rotation: float
    offset: tuple[float, float]
    seed: int

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> HeadParameters:
        """A head drawn by chance from the usual range of adults."""
        atrophy = float(rng.beta(1.6, 2.2))
        return cls(
            half_width=float(rng.uniform(70, 78)),
            half_length=float(rng.uniform(89, 98)),
            scalp=float(rng.uniform(4.0, 6.5)),
            skull=float(rng.uniform(5.5, 7.5)),
            ventricles=float(rng.uniform(0.75, 1.05) + 0.6 * atrophy),
            atrophy=atrophy,
            rotation=float(rng.normal(0, 0.05)),
            offset=(float(rng.normal(0, 3)), float(rng.normal(0, 3))),
            seed=int(rng.integers(2**31)),
        )

    def stream(self, purpose: str) -> np.random.Generator:
        """The same random stream at every height, so that neighbouring slices belong together."""
        return np.random.default_rng([self.seed, *purpose.encode()])


@dataclass(frozen=True)
class Grid:
    """Pixel centres of the head's part of a slice, in its own frame (mm): x left, y back."""

    x: Map
    y: Map
    polar: Polar
    pixel_mm: float
    rows: Map
    columns: Map
    window: tuple[slice, slice]
    """Where this part lies in the whole slice."""

    @classmethod
    def of(cls, head: HeadParameters, size: int) -> Grid:
        """The head as it lies in a square slice of `size` pixels over the field of view."""
        pixel = FIELD_OF_VIEW_MM / size
        axis = ((np.arange(size) + 0.5) * pixel - FIELD_OF_VIEW_MM / 2).astype(np.float32)
        turned = abs(head.rotation) * head.half_length
        wide = np.abs(axis - head.offset[0]) < 1.14 * head.half_width + turned
        long = np.abs(axis - head.offset[1]) < 1.12 * head.half_length + turned
        window = tuple(slice(*np.flatnonzero(m)[[0, -1]] + [0, 1]) for m in (long, wide))
        rows, columns = axis[window[0]], axis[window[1]]
        across, down = np.meshgrid(columns - head.offset[0], rows - head.offset[1])
        cos, sin = np.float32(np.cos(head.rotation)), np.float32(np.sin(head.rotation))
        x, y = cos * across + sin * down, cos * down - sin * across
        return cls(x, y, Polar.of(x, y), pixel, rows, columns, (window[0], window[1]))

    def stretched(self, head: HeadParameters) -> Grid:
        """The same pixels on a head of average size, for parts that are measured on that one."""
        return replace(self, x=self.x * (74 / head.half_width), y=self.y * (93 / head.half_length))


Push = Callable[[Map, Map], tuple[Map, Map]]
"""Mass effect: where the tissue now at (x, y) came from."""


@dataclass(frozen=True)
class Drawing:
    """One slice being drawn: layers of tissue, painted from the first to the last."""

    head: HeadParameters
    grid: Grid
    height: float
    layers: list[tuple[Tissue, Map]] = field(default_factory=list)

    def add(self, tissue: Tissue, coverage: Map) -> None:
        """Lays a tissue over what is there; coverage 0..1."""
        self.layers.append((tissue, coverage))

    def field(self, rng: np.random.Generator, wavelength: tuple[float, float]) -> Map:
        """A smooth random field over the slice, wavelengths in mm; see `canvas.smooth_field`."""
        return smooth_field(rng, self.grid.columns, self.grid.rows, wavelength, self.height)

    def texture(self, purpose: str, wavelength: tuple[float, float]) -> Map:
        """A field that belongs to this head."""
        return self.field(self.head.stream(purpose), wavelength)

    def wobble(self, purpose: str, waves: tuple[int, int]) -> Profile:
        """A random profile that belongs to this head; see `canvas.ring_noise`."""
        return ring_noise(self.head.stream(purpose), self.height, waves)
