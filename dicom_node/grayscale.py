"""Turns stored values into what they mean: the modality LUT and what surrounds it (PS3.3 C.11.1).

Pixels without meaning (padding) become NaN. No window is applied here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

from dicom_node.functional_groups import group_item
from dicom_node.values import integer_of, number_of, text_of, texts_of, value_of

# ITU-R BT.601, the weights behind DICOM's own YBR_FULL (PS3.3 C.7.6.3.1.2).
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_SAFE_FACTOR = 1e18  # times the largest whole number there is, it is still a float32


@dataclass(frozen=True)
class ModalityTransform:
    """Output = stored value x slope + intercept, in units such as HU where the object says so."""

    slope: float
    intercept: float
    units: str | None
    is_declared: bool


def modality_transform(dataset: Dataset, index: int) -> ModalityTransform:
    """The transform of the frame at `index` (from 0); identity where none is declared."""
    item = group_item(dataset, "PixelValueTransformationSequence", index) or dataset
    slope, intercept = number_of(item, "RescaleSlope"), number_of(item, "RescaleIntercept")
    if text_of(dataset, "Modality") == "RTDOSE":
        slope = number_of(dataset, "DoseGridScaling") or slope
    return ModalityTransform(
        slope=slope or 1.0,
        intercept=intercept or 0.0,
        units=text_of(item, "RescaleType"),
        is_declared=slope is not None and intercept is not None,
    )


def is_hounsfield(dataset: Dataset, transform: ModalityTransform) -> bool:
    """Whether the output values are Hounsfield units.

    A CT's are, unless the object says otherwise, is a localiser, or holds 8-bit values that nothing
    is done to: those are screen pixels, whatever their header claims.
    """
    image_type = {value.upper() for value in texts_of(dataset, "ImageType")}
    is_identity = transform.slope == 1.0 and transform.intercept == 0.0
    bits = integer_of(dataset, "BitsStored", 1, 64) or 16
    return (
        text_of(dataset, "Modality") == "CT"
        and transform.is_declared
        and (transform.units or "HU").upper().startswith("HU")
        and "LOCALIZER" not in image_type
        and not (is_identity and bits <= 8)
    )


def luminance(dataset: Dataset, stored: NDArray[Any]) -> NDArray[np.float32]:
    """Colour (H, W, 3) or palette (H, W) values as brightness (H, W), in the colours' own range."""
    if text_of(dataset, "PhotometricInterpretation") == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
    return stored[..., :3].astype(np.float32) @ _LUMINANCE


def modality_values(
    dataset: Dataset, stored: NDArray[Any], transform: ModalityTransform
) -> NDArray[np.float32]:
    """Stored grey values (H, W) in the units of the modality, NaN where they are padding."""
    padding = _padding(dataset, stored)
    if value_of(dataset, "ModalityLUTSequence"):
        values = apply_modality_lut(stored, dataset).astype(np.float32)
        _forget_unknown(values)
    else:
        values = _rescaled(stored, transform)
    if padding is not None:
        values[padding] = np.nan
    return values


def _rescaled(stored: NDArray[Any], transform: ModalityTransform) -> NDArray[np.float32]:
    """Stored values times slope plus intercept; most are whole numbers, which need fewer looks."""
    slope, intercept = transform.slope, transform.intercept
    is_whole = stored.dtype.kind in "iu"
    wide: NDArray[Any] = stored.astype(np.float64 if stored.dtype.itemsize > 2 else np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        if not (is_whole and slope == 1.0):
            wide *= slope
        if not (is_whole and intercept == 0.0):
            wide += intercept
        values: NDArray[np.float32] = wide.astype(np.float32, copy=False)
    if not (is_whole and max(abs(slope), abs(intercept)) < _SAFE_FACTOR):
        _forget_unknown(values)
    return values


def _forget_unknown(values: NDArray[np.float32]) -> None:
    """Make what is not finite NaN."""
    known = np.isfinite(values)
    if not known.all():
        values[~known] = np.nan


def _padding(dataset: Dataset, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where stored values are the Pixel Padding Value or in its range (PS3.3 C.7.5.1.1.2)."""
    value = integer_of(dataset, "PixelPaddingValue", -(2**31), 2**32 - 1)
    if value is None or stored.dtype.kind not in "iu":
        return None
    limit = integer_of(dataset, "PixelPaddingRangeLimit", -(2**31), 2**32 - 1)
    ends = [_as_stored(end, stored.dtype) for end in (value, limit) if end is not None]
    return (stored >= min(ends)) & (stored <= max(ends))


def _as_stored(value: int, dtype: np.dtype[Any]) -> int:
    """A padding value written with the wrong sign (63536 for -2000) as the pixels hold it."""
    span: int = 1 << (8 * dtype.itemsize)
    low = -span // 2 if dtype.kind == "i" else 0
    return (value - low) % span + low


def stored_range(dataset: Dataset) -> tuple[int, int]:
    """The smallest and the largest value that the stored bits can hold (PS3.3 C.7.6.3.1)."""
    bits = integer_of(dataset, "BitsStored", 1, 64) or 16
    if integer_of(dataset, "PixelRepresentation", 0, 1) == 1:
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return 0, 2**bits - 1
