"""Reads how a frame lies in the patient's space (PS3.3 C.7.6.2). It turns and resamples nothing."""

from dataclasses import dataclass

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
