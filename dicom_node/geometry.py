"""Reads how a frame lies in the patient's space (PS3.3 C.7.6.2). It turns and resamples nothing."""

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from dicom_node.functional_groups import group_item
from dicom_node.values import numbers_of


@dataclass(frozen=True)
class Geometry:
    """Values as the object states them, None where it does not or where they are no numbers.

    `orientation` is Image Orientation (Patient): six cosines, along a row and along a column.
    `spacing` is the distance of rows and of columns, in mm, or at least in their proportion.
    """

    orientation: tuple[float, ...] | None = None
    spacing: tuple[float, float] | None = None


UNKNOWN_GEOMETRY = Geometry()
# Of the slice's normal, by the axis of the patient that it lies along (x to the left, y to the
# back, z to the head; PS3.3 C.7.6.2.1.1).
_PLANES = ("SAGITTAL", "CORONAL", "AXIAL")
_ALONG = 0.8  # at least this cosine: within 37 degrees, as for a head that is tilted in its holder
_TOLERANCE = 0.02  # cosines come as rounded decimals


def geometry_of(dataset: Dataset, index: int) -> Geometry:
    """The geometry of the frame at `index` (from 0).

    An enhanced object keeps it in functional groups. Pixel Aspect Ratio stands in for a missing
    Pixel Spacing: both name the vertical distance first (PS3.3 C.7.6.3.1.7).
    """
    plane = group_item(dataset, "PlaneOrientationSequence", index) or dataset
    measures = group_item(dataset, "PixelMeasuresSequence", index) or dataset
    orientation = numbers_of(plane, "ImageOrientationPatient")
    spacing = numbers_of(measures, "PixelSpacing") or numbers_of(dataset, "PixelAspectRatio")
    return Geometry(
        orientation=orientation if len(orientation) == 6 else None,
        spacing=(spacing[0], spacing[1]) if len(spacing) == 2 else None,
    )


def plane_of(geometry: Geometry) -> str | None:
    """AXIAL, CORONAL or SAGITTAL by the slice's normal, OBLIQUE where it lies between them.

    None where the orientation is unknown, or is not that of two directions at a right angle.
    """
    if geometry.orientation is None or max(map(abs, geometry.orientation)) > 1 + _TOLERANCE:
        return None
    directions = np.array(geometry.orientation).reshape(2, 3)
    if not np.allclose(directions @ directions.T, np.eye(2), rtol=0, atol=_TOLERANCE):
        return None
    normal = np.abs(np.cross(*directions))
    axis = int(np.argmax(normal))
    return _PLANES[axis] if normal[axis] >= _ALONG else "OBLIQUE"
