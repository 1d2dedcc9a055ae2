"""What a slice's numbers mean in shades of grey: which are none at all, which are black and white.

Knows nothing of shapes: where the head lies is for the caller to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FOREGROUND_SHARE = 0.1  # of the range from black to white: below it a pixel is air
_AIR_HU = -1000.0
_HIGHEST_HU = 32767.0  # more than 16 signed bits hold: padding such as -2000 read without its sign
_WRAPPED_PADDING = 60000.0  # the same in other modalities
_WATER_OFFSET = 1024.0  # of CT values stored without their sign
_SAMPLES = 128  # along the longer side: enough to place a threshold
# As the Brain Extraction Tool does (Smith, Human Brain Mapping 17:143, 2002, section "Estimation of
# basic image and brain parameters"): robust against hot pixels and letters.
_ROBUST_PERCENTILES = (2.0, 98.0)

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """What is black and what is white; `low` < `high`."""

    low: float
    high: float

    def apply(self, values: Values) -> Values:
        """The values as 0 (black) to 1 (white)."""
        scaled: Values = values - np.float32(self.low)
        scaled /= np.float32(self.high - self.low)
        return np.clip(scaled, 0.0, 1.0, out=scaled)


def hounsfield(pixels: Values) -> Values:
    """A CT slice with air where no value is known, and with water at 0; not to be written to.

    Padding that lost its sign counts as unknown, and a slice whose soft tissue lies where water is
    1024 is moved.
    """
    values = _as_float32(pixels)
    known = values <= _HIGHEST_HU
    if not known.all():
        values = values.copy()
        values[~known] = _AIR_HU
    return values - np.float32(_WATER_OFFSET) if _is_offset(sampled(values)) else values


def _is_offset(sample: Values) -> bool:
    if sample.size == 0 or float(sample.min()) <= -100:
        return False
    dense = sample[sample > 200]
    near_water = np.abs(dense - _WATER_OFFSET) < 100
    return dense.size > 0.1 * sample.size and float(np.mean(near_water)) > 0.5


def _as_float32(pixels: Values) -> Values:
    """The very same array where it is of that type already."""
    with np.errstate(over="ignore"):
        return np.asarray(pixels, np.float32)


def arbitrary(pixels: Values) -> Values | None:
    """A slice of any scale brought to -1..1, the smallest known value where none is known.

    None where nothing is known; not to be written to. A value so far below the rest that it can be
    no brightness is padding that nobody declared; so is one far above that is a negative number
    without its sign.
    """
    values = _as_float32(pixels)
    known = np.isfinite(values)
    if not known.all() or values.size == 0:
        if not known.any():
            return None
        values = np.where(known, values, values[known].min())
    if (low := float(sampled(values).min())) < 0:
        values = _without_padding(values, low)
    if (high := float(sampled(values).max())) >= _WRAPPED_PADDING:
        values = _without_padding(values, high)
    largest = max(values.max(), -values.min())
    return values / largest if largest > 0 else values


def _without_padding(values: Values, end: float) -> Values:
    """One end of the values made the smallest of the others where it is further off than they span.

    Told by a sample, and in Python's numbers, whose range no float32 overflows.
    """
    sample = sampled(values)
    rest = sample[sample != end]
    if rest.size == 0:
        return values
    low, high = float(rest.min()), float(rest.max())
    if min(abs(low - end), abs(high - end)) > high - low > 0:
        return np.where(values == end, np.float32(low), values)
    return values


def sampled(values: Values) -> Values:
    """Pixels in regular steps: as good as all for a threshold."""
    step = sample_step(values.shape)
    return values[::step, ::step]


def sample_step(shape: tuple[int, ...]) -> int:
    """How far apart the pixels of a sample are, for some 128 to 256 along the longer side."""
    return max(1, max(shape) // _SAMPLES)


def foreground_threshold(values: Values) -> float:
    """What is brighter is no air."""
    floor, ceiling = percentiles(values, _ROBUST_PERCENTILES)
    return floor + FOREGROUND_SHARE * (ceiling - floor)


def percentiles(values: Values, shares: Sequence[float]) -> list[float]:
    """What NumPy's `percentile` gives for `shares` (0..100) of at least one finite value, the same
    numbers in a third of the time: sorting is vectorised, choosing several places is not.
    """
    ordered = np.sort(values, axis=None)
    found = []
    for share in shares:
        place = (ordered.size - 1) * (share / 100)
        below = int(place)
        part = place - below
        low, high = ordered[below], ordered[min(below + 1, ordered.size - 1)]
        step = float(high - low)
        found.append(float(low) + step * part if part < 0.5 else float(high) - step * (1 - part))
    return found


def robust_window(foreground: Values, ends: tuple[float, float], floor: float) -> Window | None:
    """From a low to a high percentile of the foreground; None where that leaves no contrast.

    Where the low one is the commonest value, which must not become black, it begins at `floor`.
    """
    if foreground.size == 0:
        return None
    low, middle, high = percentiles(foreground, (ends[0], 50.0, ends[1]))
    if low >= middle:
        low = floor
    return Window(low, high) if high > low else None
