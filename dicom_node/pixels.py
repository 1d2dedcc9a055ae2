"""Decodes an object's frames into numbers that mean something, and renders them for a preview.

For the worker and the previews. It decides nothing about how a network wants its input.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_node.errors import PixelsFailed
from dicom_node.functional_groups import group_item
from dicom_node.geometry import UNKNOWN_GEOMETRY, Geometry, geometry_of
from dicom_node.grayscale import (
    ModalityTransform,
    is_hounsfield,
    luminance,
    modality_transform,
    modality_values,
    stored_range,
)
from dicom_node.images import Image, PixelLimits, open_image
from dicom_node.values import number_of, text_of, value_of

DEFAULT_LIMITS = PixelLimits()


@dataclass(frozen=True)
class Frame:
    """One decoded frame.

    `number` counts from 1. `pixels` (H, W) are modality values, such as HU when `is_hu`; padding is
    NaN, colour is brightness, and MONOCHROME1 is inverted unless `is_hu`, so more is always
    brighter. `window` is (centre, width) in the same values; `voi_function` says how to apply it
    (PS3.3 C.11.2.1). `geometry` says how the frame lies in space, as far as it is told. `total` is
    how many frames the object has.
    """

    number: int
    pixels: NDArray[np.float32]
    window: tuple[float, float] | None
    modality: str
    is_hu: bool
    voi_function: str = "LINEAR"
    geometry: Geometry = UNKNOWN_GEOMETRY
    total: int = 1


def iter_frames(
    file: Path | BinaryIO,
    start: int = 0,
    stop: int | None = None,
    limits: PixelLimits = DEFAULT_LIMITS,
) -> Iterator[Frame]:
    """Decode the frames from index `start` up to, not including, `stop` (from 0), one at a time.

    A `stop` beyond the last frame, or None, means all that follow.

    Raises:
        PixelsUnsupported: the object is not an image, or no decoder exists for it.
        PixelsFailed: it is broken or beyond `limits`, or a frame does not decode; frames before
            that one have been yielded.
    """
    with open_image(file, limits) as image:
        last = image.frames if stop is None else min(stop, image.frames)
        indices = range(max(start, 0), last)
        for index, stored in zip(indices, image.decode(indices), strict=True):
            yield _frame(image, index, stored)


def _frame(image: Image, index: int, stored: NDArray[Any]) -> Frame:
    """The frame at `index` from its stored values; what pydicom may raise on the way is curated."""
    try:
        return replace(_meaningful(image.dataset, index, stored), total=image.frames)
    except (MemoryError, PixelsFailed):
        raise
    except Exception as error:
        kind = type(error).__name__
        raise PixelsFailed(
            f"the values of frame {index + 1} cannot be turned into grey ({kind})"
        ) from None


def _meaningful(dataset: Dataset, index: int, stored: NDArray[Any]) -> Frame:
    modality = (text_of(dataset, "Modality") or "OT").upper()
    photometric = (text_of(dataset, "PhotometricInterpretation") or "").upper()
    geometry = geometry_of(dataset, index)
    if stored.ndim == 3 or photometric == "PALETTE COLOR":
        grey = luminance(dataset, stored)
        return Frame(index + 1, grey, None, modality, is_hu=False, geometry=geometry)
    transform = modality_transform(dataset, index)
    is_hu = is_hounsfield(dataset, transform)
    pixels = modality_values(dataset, stored, transform)
    window, function = _voi(dataset, index)
    if photometric == "MONOCHROME1" and not is_hu:
        ends = _range_ends(dataset, pixels, transform)
        pixels = np.float32(ends) - pixels
        window = (ends - window[0], window[1]) if window is not None else None
    return Frame(index + 1, pixels, window, modality, is_hu, function, geometry)


def _range_ends(
    dataset: Dataset, pixels: NDArray[np.float32], transform: ModalityTransform
) -> float:
    """Lowest plus highest possible value: what to subtract from, to turn brightness around."""
    if "PixelRepresentation" not in dataset or value_of(dataset, "ModalityLUTSequence"):
        return float(np.nanmin(pixels) + np.nanmax(pixels)) if np.isfinite(pixels).any() else 0.0
    low, high = stored_range(dataset)
    return (low + high) * transform.slope + 2 * transform.intercept


def _voi(dataset: Dataset, index: int) -> tuple[tuple[float, float] | None, str]:
    """The first window of the frame and its function; a width that means nothing is no window."""
    item = group_item(dataset, "FrameVOILUTSequence", index) or dataset
    centre, width = number_of(item, "WindowCenter"), number_of(item, "WindowWidth")
    function = (text_of(item, "VOILUTFunction") or "LINEAR").upper()
    if centre is None or width is None or width <= 0 or (width < 1 and function == "LINEAR"):
        return None, function
    return (centre, width), function


def render(frame: Frame) -> NDArray[np.uint8]:
    """The frame as a picture (H, W), 0 to 255: by its window, else from percentile 1 to 99.5.

    Window functions LINEAR, LINEAR_EXACT and SIGMOID follow PS3.3 C.11.2.1.2 and C.11.2.1.3; pixels
    without meaning are black.
    """
    finite = np.isfinite(frame.pixels)
    if not finite.any():
        return np.zeros(frame.pixels.shape, np.uint8)
    pixels = np.where(finite, frame.pixels, frame.pixels[finite].min()).astype(np.float64)
    if frame.window is None:
        low, high = np.percentile(pixels[finite], (1.0, 99.5))
        share = (pixels - low) / max(high - low, 1e-6)
    else:
        share = _windowed(pixels, *frame.window, frame.voi_function)
    brightness = np.rint(np.clip(share, 0.0, 1.0) * 255)
    return np.where(finite, brightness, 0).astype(np.uint8)


def _windowed(
    pixels: NDArray[np.float64], centre: float, width: float, function: str
) -> NDArray[np.float64]:
    if function == "SIGMOID":
        exponent = np.clip(-4.0 * (pixels - centre) / width, -700.0, 700.0)
        return np.asarray(1.0 / (1.0 + np.exp(exponent)))
    if function == "LINEAR_EXACT":
        return (pixels - centre) / width + 0.5
    return (pixels - (centre - 0.5)) / max(width - 1.0, 1e-6) + 0.5
