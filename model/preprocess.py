"""One decoded slice -> the square picture that the encoder sees.

Deterministic and free of torch, so that the worker's decoding processes stay light. It knows no
DICOM: modality LUT or rescale and MONOCHROME1 are the caller's work. Any change of what `prepare`
returns needs a new `PREPROCESSING_VERSION`, because stored embeddings depend on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model import intensity
from model.head import Head, find_head
from model.intensity import Window
from model.orientation import Turn, display_turn
from model.placement import Placement

PREPROCESSING_VERSION = "2"

_LINE_SHARE = 0.02  # of a row or column: fewer head pixels than this is noise, not head
# Half of the gap, in cells, across which parts of a head belong together.
_CT_GAP = 1
_GAP = 2  # the skull is dark where it is not CT
_MAX_ASPECT = 20.0  # beyond it the spacing is a mistake, not the shape of a pixel

Picture = NDArray[np.float32]
Spacing = tuple[float, float]


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
    pixels: NDArray[np.float32],
    *,
    modality: str,
    config: PreprocessConfig,
    orientation: Sequence[float] | None = None,
    spacing: Spacing | None = None,
) -> Picture:
    """The picture alone; see `prepare_placed`."""
    return prepare_placed(
        pixels, modality=modality, config=config, orientation=orientation, spacing=spacing
    )[0]


def prepare_placed(
    pixels: NDArray[np.float32],
    *,
    modality: str,
    config: PreprocessConfig,
    orientation: Sequence[float] | None = None,
    spacing: Spacing | None = None,
) -> tuple[Picture, Placement]:
    """Turn, scale, cut to the head, pad to a square and resize; and where each point went.

    `pixels` is (H, W): HU for CT, any scale otherwise; NaN and infinity count as background.
    `orientation` is Image Orientation (Patient), `spacing` Pixel Spacing: the distance of rows,
    then of columns; without it, or where it cannot be, pixels are square.

    Returns (size, size) float32, finite, in 0..1, everything outside the head 0. A picture
    without contrast comes back all zero. Raises ValueError if `pixels` is not two-dimensional, and
    nothing else.
    """
    if pixels.ndim != 2:
        raise ValueError(f"a slice has two dimensions, not {pixels.ndim}")
    turn = display_turn(orientation)
    turned = np.ascontiguousarray(turn.apply(pixels))
    distances = _distances(spacing, turn)
    found = _head_picture(turned, modality, config, distances) if turned.size else None
    if found is None:
        whole = np.zeros((max(1, turned.shape[0]), max(1, turned.shape[1])), np.float32)
        found = whole, (0, 0)
    picture, corner = found
    fitted, scale, padding = _fit(picture, config.size, distances)
    return fitted, _placement(turn, pixels.shape, corner, scale, padding)


def _distances(spacing: Spacing | None, turn: Turn) -> Spacing:
    """How far rows and columns of the turned slice are apart, the closer ones 1."""
    if spacing is None:
        return 1.0, 1.0
    ends = sorted(map(float, spacing))
    if not (0 < ends[0] <= ends[1] < np.inf and ends[1] / ends[0] <= _MAX_ASPECT):
        return 1.0, 1.0
    down, across = reversed(spacing) if turn.transpose else spacing
    return float(down) / ends[0], float(across) / ends[0]


def _head_picture(
    pixels: NDArray[np.float32], modality: str, config: PreprocessConfig, spacing: Spacing
) -> tuple[Picture, tuple[int, int]] | None:
    """The head as 0..1 on black and its corner (row, column); None where nothing is to be seen."""
    if modality == "CT":
        found = _ct_head(pixels, config, spacing)
        if found is not None:
            return _cut(*found)
    values = intensity.arbitrary(pixels)
    found = None if values is None else _bright_head(values, config, spacing)
    return None if found is None else _cut(*found)


def _ct_head(
    pixels: NDArray[np.float32], config: PreprocessConfig, spacing: Spacing
) -> tuple[Picture, Window, Head] | None:
    """The head in its HU window; None where that leaves no contrast: then these are no HU."""
    values = intensity.hounsfield(pixels)
    window = Window(*config.ct_window_hu)
    if not max(window.low, values.min()) < min(window.high, values.max()):
        return None
    threshold = window.low + intensity.FOREGROUND_SHARE / 2 * (window.high - window.low)
    return values, window, find_head(values > threshold, spacing, _CT_GAP)


def _bright_head(
    values: Picture, config: PreprocessConfig, spacing: Spacing
) -> tuple[Picture, Window, Head] | None:
    """The head between percentiles of its own, so that nothing outside it counts."""
    threshold = intensity.foreground_threshold(intensity.sampled(values))
    head = find_head(values > threshold, spacing, _GAP)
    # Letters and cables outside had a part in the first threshold. They have none in this one.
    step = intensity.sample_step(values.shape)
    inside = values[head.rows, head.columns][::step, ::step][head.mask[::step, ::step]]
    threshold = intensity.foreground_threshold(inside)
    head = find_head(values > threshold, spacing, _GAP)
    region = values[head.rows, head.columns]
    bright = region[head.mask & (region > threshold)]
    percentiles = (config.low_percentile, config.high_percentile)
    window = intensity.robust_window(bright, percentiles, float(values.min()))
    return None if window is None else (values, window, head)


def _cut(values: Picture, window: Window, head: Head) -> tuple[Picture, tuple[int, int]]:
    """The bounding box of the lines that hold more than a sprinkle of the head."""
    scaled = window.apply(values[head.rows, head.columns])
    scaled[~head.mask] = 0.0
    foreground = scaled > intensity.FOREGROUND_SHARE
    height, width = foreground.shape
    counted = foreground.view(np.uint8)  # summed twice as fast as truth values
    rows = np.flatnonzero(counted.sum(axis=1, dtype=np.uint32) / width > _LINE_SHARE)
    columns = np.flatnonzero(counted.sum(axis=0, dtype=np.uint32) / height > _LINE_SHARE)
    if rows.size == 0 or columns.size == 0:
        return scaled, (head.rows.start, head.columns.start)
    corner = head.rows.start + int(rows[0]), head.columns.start + int(columns[0])
    return scaled[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], corner


def _fit(
    image: Picture, size: int, spacing: Spacing
) -> tuple[Picture, tuple[float, float], tuple[int, int]]:
    """Resize by the longer side with antialiasing, then centre on a black square.

    Padding comes after resizing, so a one-pixel line of any length needs no giant square. Returns
    the square, the scale and the padding, both (down, across).
    """
    height, width = image.shape
    scale = size / max(height * spacing[0], width * spacing[1])
    new_height = max(1, round(height * spacing[0] * scale))
    new_width = max(1, round(width * spacing[1] * scale))
    resized = Image.fromarray(np.ascontiguousarray(image)).resize(
        (new_width, new_height), Image.Resampling.BILINEAR
    )
    top, left = (size - new_height) // 2, (size - new_width) // 2
    square = np.zeros((size, size), np.float32)
    square[top : top + new_height, left : left + new_width] = np.asarray(resized)
    return (
        np.clip(square, 0.0, 1.0, out=square),
        (new_height / height, new_width / width),
        (top, left),
    )


def _placement(
    turn: Turn,
    shape: tuple[int, ...],
    corner: tuple[int, int],
    scale: tuple[float, float],
    padding: tuple[int, int],
) -> Placement:
    """From pixel centres of the source to pixel centres of the square."""
    linear = np.diag([scale[1], scale[0]]) @ turn.linear()
    # The centre of the first pixel of the crop, in the turned slice, goes with it.
    start = turn.offset(shape) - np.array([corner[1], corner[0]]) + 0.5
    offset = np.array([scale[1], scale[0]]) * start + (padding[1] - 0.5, padding[0] - 0.5)
    (a, b), (c, d) = linear.tolist()
    x, y = offset.tolist()
    return Placement(((a, b), (c, d)), (x, y))
