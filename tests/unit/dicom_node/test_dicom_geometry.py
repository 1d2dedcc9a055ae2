"""How a frame lies in space is read as it is told, and what is no geometry is none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicom_node.geometry import Geometry, plane_of
from dicom_node.pixels import Frame, iter_frames
from tests.unit.dicom_node.samples import image_dataset, noise, stored_path

CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def geometries(folder: Path, stored: Any = None, **elements: Any) -> list[Geometry]:
    dataset = image_dataset(noise(4, 6) if stored is None else stored)
    for keyword, value in elements.items():
        setattr(dataset, keyword, list(value))
    frames: list[Frame] = list(iter_frames(stored_path(folder, dataset)))
    return [frame.geometry for frame in frames]


def groups(orientation: Any, spacing: Any) -> Dataset:
    plane, measures, made = Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient = list(orientation)
    measures.PixelSpacing = list(spacing)
    made.PlaneOrientationSequence = [plane]
    made.PixelMeasuresSequence = [measures]
    return made


def test_orientation_and_spacing_are_read(tmp_path: Path) -> None:
    found = geometries(tmp_path, ImageOrientationPatient=CORONAL, PixelSpacing=[0.5, 0.25])

    assert found == [Geometry(CORONAL, (0.5, 0.25))]


def test_colour_has_a_geometry_too(tmp_path: Path) -> None:
    stored = noise(4, 6, 3, dtype=np.uint8, high=255)

    assert geometries(tmp_path, stored, PixelSpacing=[2, 1]) == [Geometry(None, (2.0, 1.0))]


def test_nothing_told_is_nothing_known(tmp_path: Path) -> None:
    assert geometries(tmp_path) == [Geometry(None, None)]


def test_the_shape_of_a_pixel_stands_in_for_its_size(tmp_path: Path) -> None:
    both = geometries(tmp_path / "both", PixelSpacing=[3, 4], PixelAspectRatio=[2, 1])

    assert geometries(tmp_path / "shape", PixelAspectRatio=[2, 1])[0].spacing == (2.0, 1.0)
    assert both[0].spacing == (3.0, 4.0)


@pytest.mark.parametrize("orientation", ["1\\0\\0", "1\\0\\0\\0\\one\\0", "1\\0\\0\\0\\inf\\0", ""])
@pytest.mark.parametrize("spacing", ["1", "0.5\\half", "nan\\1", "1\\1\\1", ""])
def test_what_is_no_geometry_is_none(tmp_path: Path, orientation: str, spacing: str) -> None:
    dataset = image_dataset(noise(4, 6))
    dataset.add_new("ImageOrientationPatient", "LO", orientation.split("\\"))
    dataset.add_new("PixelSpacing", "LO", spacing.split("\\"))

    (frame,) = iter_frames(stored_path(tmp_path, dataset))

    assert frame.geometry == Geometry(None, None)


def test_each_frame_of_an_enhanced_object_has_its_own(tmp_path: Path) -> None:
    found = geometries(
        tmp_path,
        noise(2, 4, 6),
        PerFrameFunctionalGroupsSequence=[groups(CORONAL, [1, 1]), groups(SAGITTAL, [1, 2])],
    )

    assert found == [Geometry(CORONAL, (1.0, 1.0)), Geometry(SAGITTAL, (1.0, 2.0))]


def test_frames_may_share_one(tmp_path: Path) -> None:
    found = geometries(
        tmp_path,
        noise(2, 4, 6),
        SharedFunctionalGroupsSequence=[groups(CORONAL, [1, 1])],
    )

    assert found == [Geometry(CORONAL, (1.0, 1.0))] * 2


@pytest.mark.parametrize(
    ("orientation", "plane"),
    [
        ((1, 0, 0, 0, 1, 0), "AXIAL"),
        ((-1, 0, 0, 0, 1, 0), "AXIAL"),
        (CORONAL, "CORONAL"),
        (SAGITTAL, "SAGITTAL"),
        ((1, 0, 0, 0, 0.93969, 0.34202), "AXIAL"),  # tilted by 20 degrees
        ((1, 0, 0, 0, 0.70711, 0.70711), "OBLIQUE"),
        ((1, 0, 0, 0, 0.999, 0.01), "AXIAL"),  # rounded
        ((1, 0, 0, 1, 0, 0), None),
        ((2, 0, 0, 0, 2, 0), None),
        ((0, 0, 0, 0, 0, 0), None),
        ((1e308, 0, 0, 0, 1e308, 0), None),
        (None, None),
    ],
)
def test_the_plane_is_that_of_the_normal(
    orientation: tuple[float, ...] | None, plane: str | None
) -> None:
    assert plane_of(Geometry(orientation)) == plane


def test_each_frame_has_a_plane_of_its_own(tmp_path: Path) -> None:
    stored = np.stack([noise(4, 6), noise(4, 6)])
    found = geometries(
        tmp_path,
        stored,
        PerFrameFunctionalGroupsSequence=[groups(CORONAL, (1, 1)), groups(SAGITTAL, (1, 1))],
    )
    assert [plane_of(geometry) for geometry in found] == ["CORONAL", "SAGITTAL"]
