"""Soft shapes and smooth random fields: the pencil with which the demo heads are drawn.

Distances are signed, in millimetres, negative inside. Knows nothing of anatomy,
modalities or DICOM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.floating[Any]]
"""One value a pixel, shape (H, W); float32 throughout, which the stubs of numpy lose sight of."""

Profile = NDArray[np.floating[Any]]
"""One value an angle, shape (THETA_STEPS,)."""

THETA_STEPS = 768
"""Angular samples of a polar profile or table; theta 0 looks to the front, pi/2 to the left."""

TABLE_RADIUS_MM = 112.0
TABLE_RADIUS_STEPS = 56

FAR_MM = 8.0
"""How far from a tube its distance is still counted."""


@dataclass(frozen=True)
class Polar:
    """Where each pixel stands as seen from the head's axis."""

    radius: Map
    step: Map
    """theta in units of THETA_STEPS, 0 <= step < THETA_STEPS."""

    @classmethod
    def of(cls, x: Map, y: Map) -> Polar:
        """x towards the patient's left, y towards the back, in mm."""
        step = np.arctan2(x, -y) * np.float32(THETA_STEPS / (2 * np.pi))
        return cls(np.hypot(x, y), np.where(step < 0, step + np.float32(THETA_STEPS), step))

    def spread(self, profile: Profile) -> Map:
        """Each pixel's value of a profile."""
        return profile.astype(np.float32)[self.step.astype(np.int32) % THETA_STEPS]

    def within(self, profile: Profile) -> Map:
        """Distance to an outline, mm; exact along the rays from the axis."""
        return self.radius - self.spread(profile)

    def sample(self, table: Map) -> Map:
        """A table (THETA_STEPS, TABLE_RADIUS_STEPS) interpolated bilinearly at the pixels."""
        scale = np.float32(TABLE_RADIUS_STEPS / TABLE_RADIUS_MM)
        ring = np.minimum(self.radius * scale, np.float32(TABLE_RADIUS_STEPS - 1.001))
        j, i = ring.astype(np.int32), self.step.astype(np.int32) % THETA_STEPS
        v, u = ring - np.floor(ring), self.step - np.floor(self.step)
        flat, near = table.ravel(), i * TABLE_RADIUS_STEPS + j
        far = (i + 1) % THETA_STEPS * TABLE_RADIUS_STEPS + j
        inner = flat.take(near) * (1 - u) + flat.take(far) * u
        outer = flat.take(near + 1) * (1 - u) + flat.take(far + 1) * u
        sampled: Map = inner * (1 - v) + outer * v
        return sampled


def thetas() -> Profile:
    """The angles of a polar profile, -pi..pi so that the front is continuous at 0."""
    turn = np.arange(THETA_STEPS, dtype=np.float32) / THETA_STEPS * np.float32(2 * np.pi)
    return np.where(turn > np.pi, turn - np.float32(2 * np.pi), turn).astype(np.float32)


def soft(distance: Map, width: float = 1.0) -> Map:
    """Coverage 0..1 of a region, with an edge `width` mm wide."""
    coverage = distance * np.float32(-1 / width)
    coverage += np.float32(0.5)
    return np.clip(coverage, 0, 1, out=coverage)


def ellipse(x: Map, y: Map, centre: tuple[float, float], axes: tuple[float, float]) -> Map:
    """Distance to an upright ellipse; exact on its edge, scaled by the smaller axis elsewhere."""
    if min(axes) <= 0:
        return np.full_like(x, 1e3)
    square: Map = np.square((x - np.float32(centre[0])) * np.float32(1 / axes[0]))
    square += np.square((y - np.float32(centre[1])) * np.float32(1 / axes[1]))
    np.sqrt(square, out=square)
    square -= np.float32(1)
    square *= np.float32(min(axes))
    return square


def tube(x: Map, y: Map, points: Sequence[tuple[float, float, float]]) -> Map:
    """Distance to a bent tube through `points` (x, y, radius), radii growing along each piece.

    Counted only up to FAR_MM from the box round the points; beyond it is simply large.
    """
    nodes = np.array(points, dtype=np.float32)
    margin = float(nodes[:, 2].max()) + FAR_MM
    (left, top, _), (right, bottom, _) = nodes.min(0) - margin, nodes.max(0) + margin
    near = np.flatnonzero((x > left) & (x < right) & (y > top) & (y < bottom))
    px, py = x.ravel()[near], y.ravel()[near]
    best = np.full(near.size, 1e3, dtype=np.float32)
    for (ax, ay, ar), (bx, by, br) in pairwise(nodes):
        dx, dy, fx, fy = bx - ax, by - ay, px - ax, py - ay
        along = np.clip((fx * dx + fy * dy) / (dx * dx + dy * dy + np.float32(1e-6)), 0, 1)
        away = np.sqrt((fx - along * dx) ** 2 + (fy - along * dy) ** 2)
        np.minimum(best, away - (ar + along * (br - ar)), out=best)
    distance = np.full(x.size, 1e3, dtype=np.float32)
    distance[near] = best
    return distance.reshape(x.shape)


def ramp(value: float, start: float, end: float) -> float:
    """0 at `start`, 1 at `end`, a straight line between, whichever is larger."""
    return float(np.clip((value - start) / (end - start), 0.0, 1.0))


def bump(profile: Profile, centre: float, width: float) -> Profile:
    """A bell of height 1 round `centre`."""
    bell: Profile = np.exp(-np.square((profile - centre) / width))
    return bell


def ring_noise(rng: np.random.Generator, height: float, waves: tuple[int, int]) -> Profile:
    """A closed profile of about unit variance, drifting slowly with `height`, mm."""
    numbers = np.arange(waves[0], waves[1] + 1)
    weight = rng.normal(size=numbers.size)
    phase = rng.uniform(0, 2 * np.pi, numbers.size) + height * rng.normal(0, 0.05, numbers.size)
    arc = (np.cos(thetas()[:, None] * numbers + phase) * weight).sum(1) * np.sqrt(2 / numbers.size)
    profile: Profile = arc.astype(np.float32)
    return profile


def wave_sum(down: NDArray[np.float64], across: NDArray[np.float64]) -> Map:
    """The sum over k of cos(down[h, k] + across[k, w]), (H, W), scaled to unit variance.

    By einsum and not by a matrix product: on a busy machine the threads of BLAS wait for one
    another at every one of these small products, which made the drawing three times slower.
    """
    rows = np.concatenate([np.cos(down), -np.sin(down)], axis=1).astype(np.float32)
    columns = np.concatenate([np.cos(across), np.sin(across)]).astype(np.float32)
    waves: Map = np.einsum("hk,kw->hw", rows, columns) * np.float32(np.sqrt(2 / len(across)))
    return waves


def smooth_field(
    rng: np.random.Generator,
    x: NDArray[np.floating[Any]],
    y: NDArray[np.floating[Any]],
    wavelength: tuple[float, float],
    height: float = 0.0,
) -> Map:
    """A 3-D random field of unit variance cut at `height`, on the axes `x` (W,) and `y` (H,), mm.

    A sum of plane waves; each is a product of a row and a column.
    """
    count = 20
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    k = direction * (2 * np.pi / rng.uniform(*wavelength, count))[:, None]
    phase = rng.uniform(0, 2 * np.pi, count) + k[:, 2] * height
    across, down = np.outer(k[:, 0], x), np.outer(k[:, 1], y) + phase[:, None]
    return wave_sum(down.T, across)


def grain(rng: np.random.Generator, size: int, passes: int) -> Map:
    """Noise of unit variance, (size, size), blurred `passes` times with 1-2-1 both ways."""
    noise = rng.standard_normal((size, size), dtype=np.float32)
    for _ in range(passes):
        for axis in (0, 1):
            noise = 0.5 * noise + 0.25 * (np.roll(noise, 1, axis) + np.roll(noise, -1, axis))
    even: Map = noise / noise.std()
    return even
