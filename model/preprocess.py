"""One decoded slice -> the square picture that the encoder sees.

Deterministic and free of torch, so that the worker's decoding processes stay light. It knows no
DICOM: modality LUT or rescale and MONOCHROME1 are the caller's work. Any change of what `prepare`
returns needs a new `PREPROCESSING_VERSION`, because stored embeddings depend on it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PREPROCESSING_VERSION = "1"

_BACKGROUND_SHARE = 0.1  # of the intensity range: below it a pixel is air
_LINE_SHARE = 0.02  # of a row or column: fewer head pixels than this is noise, not head
_GRID = 64  # cells along the longer side when the headrest is told from the head


@dataclass(frozen=True)
class PreprocessConfig:
    """Everything that changes the prepared picture; stored in the checkpoint.

    `size` is in pixels, `ct_window_hu` in Hounsfield units, the percentiles (0..100) are taken over
    the foreground of a slice that is not CT.
    """

    size: int = 128
    ct_window_hu: tuple[float, float] = (0.0, 80.0)
    low_percentile: float = 1.0
    high_percentile: float = 99.5
    version: str = PREPROCESSING_VERSION


def prepare(
    pixels: NDArray[np.float32], *, modality: str, config: PreprocessConfig
) -> NDArray[np.float32]:
    """Scale, crop to the head, pad to a square and resize.

    `pixels` is (H, W): HU for CT, any scale otherwise; NaN and infinity count as background.
    Returns (size, size) float32, finite, in 0..1, background 0. A picture without contrast
    comes back all zero. Raises ValueError if `pixels` is not two-dimensional, and nothing else.
    """
    if pixels.ndim != 2:
        raise ValueError(f"a slice has two dimensions, not {pixels.ndim}")
    image = pixels.astype(np.float64)
    known = np.isfinite(image)
    if not known.any():
        return np.zeros((config.size, config.size), np.float32)
    image[~known] = image[known].min()
    scaled = _scale_ct(image, config) if modality == "CT" else None
    if scaled is None:
        scaled = _scale_robustly(image, config)
    scaled[~known] = 0.0
    if modality == "CT":
        scaled = _without_headrest(scaled)
    return _fit(_crop_head(scaled), config.size)


def _scale_ct(image: NDArray[np.float64], config: PreprocessConfig) -> NDArray[np.float32] | None:
    """The HU window as 0..1, or None where it leaves no contrast: then these are no HU."""
    low, high = config.ct_window_hu
    scaled = ((np.clip(image, low, high) - low) / (high - low)).astype(np.float32)
    return scaled if scaled.max() > scaled.min() else None


def _scale_robustly(image: NDArray[np.float64], config: PreprocessConfig) -> NDArray[np.float32]:
    """Percentiles of the foreground as 0..1; the air around the head does not count."""
    image = image / max(1.0, float(np.abs(image).max()))  # near the float limit a range overflows
    floor, ceiling = np.percentile(image, (config.low_percentile, config.high_percentile))
    foreground = image[image > floor + _BACKGROUND_SHARE * (ceiling - floor)]
    if foreground.size == 0:
        return np.zeros(image.shape, np.float32)
    percentiles = (config.low_percentile, 50.0, config.high_percentile)
    low, middle, high = np.percentile(foreground, percentiles)
    if low >= middle:  # a flat head: its commonest value must not become black
        low = float(image.min())
    if high <= low:
        return np.zeros(image.shape, np.float32)
    scaled: NDArray[np.float32] = np.clip((image - low) / (high - low), 0, 1).astype(np.float32)
    return scaled


def _without_headrest(scaled: NDArray[np.float32]) -> NDArray[np.float32]:
    """A CT slice cut to the largest connected thing in it, on a coarse grid, plus one cell around.

    Skull and brain touch, the headrest is apart. In MR the dark skull parts brain from scalp, so
    the same step would crop too much there, and MR shows no headrest.
    """
    cell = max(1, -(-max(scaled.shape) // _GRID))
    height, width = (-(-side // cell) for side in scaled.shape)
    padded = np.zeros((height * cell, width * cell), np.float32)
    padded[: scaled.shape[0], : scaled.shape[1]] = scaled > _BACKGROUND_SHARE / 2
    filled = padded.reshape(height, cell, width, cell).mean(axis=(1, 3)) > 0.5
    if not filled.any():
        return scaled
    rows, columns = np.nonzero(largest_component(filled))
    top, left = max(0, rows.min() - 1) * cell, max(0, columns.min() - 1) * cell
    return scaled[top : (rows.max() + 2) * cell, left : (columns.max() + 2) * cell]


def largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest set of cells that touch by an edge; of equal ones the last in reading order.

    Every cell takes the greatest number around it until nothing changes: quick on small grids, and
    no image-processing library is needed.
    """
    numbers = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        around = np.pad(numbers, 1)
        spread = np.maximum.reduce(
            (numbers, around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:])
        )
        spread = np.where(mask, spread, 0)
        if np.array_equal(spread, numbers):
            break
        numbers = spread
    counts = np.bincount(numbers.ravel())
    counts[0] = 0
    largest: NDArray[np.bool_] = numbers == counts.size - 1 - np.argmax(counts[::-1])
    return largest & mask


def _crop_head(scaled: NDArray[np.float32]) -> NDArray[np.float32]:
    """The bounding box of the lines that hold more than a sprinkle of foreground."""
    foreground = scaled > _BACKGROUND_SHARE
    rows = np.flatnonzero(foreground.mean(axis=1) > _LINE_SHARE)
    columns = np.flatnonzero(foreground.mean(axis=0) > _LINE_SHARE)
    if rows.size == 0 or columns.size == 0:
        return scaled
    return scaled[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _fit(image: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Resize by the longer side with antialiasing, then centre on a black square.

    Padding comes after resizing, so a one-pixel line of any length needs no giant square.
    """
    height, width = image.shape
    scale = size / max(height, width)
    new_height, new_width = max(1, round(height * scale)), max(1, round(width * scale))
    resized = Image.fromarray(np.ascontiguousarray(image)).resize(
        (new_width, new_height), Image.Resampling.BILINEAR
    )
    top, left = (size - new_height) // 2, (size - new_width) // 2
    square = np.zeros((size, size), np.float32)
    square[top : top + new_height, left : left + new_width] = np.asarray(resized)
    return np.clip(square, 0.0, 1.0)
