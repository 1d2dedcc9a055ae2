from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from dicom_node.pixels import Frame, iter_frames
from tests.unit.dicom_node.samples import (
    EXPLICIT,
    compressed,
    image_dataset,
    noise,
    part10,
    stored_path,
)

Decode = Callable[..., list[Frame]]
LOSSLESS = [RLELossless, JPEGLSLossless, JPEG2000Lossless]


@pytest.fixture
def decode(tmp_path: Path) -> Decode:
    """Stores a dataset as the node would and decodes all of its frames."""

    def run(dataset: Dataset, transfer_syntax_uid: str = EXPLICIT) -> list[Frame]:
        path = stored_path(tmp_path, dataset, transfer_syntax_uid)
        frames = list(iter_frames(path))
        assert {frame.total for frame in frames} == {len(frames)}
        return frames

    return run


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
    ],
)
def test_native_pixels_are_decoded(decode: Decode, syntax: str) -> None:
    stored = noise(5, 7)
    dataset = image_dataset(stored)
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = stored.astype(">i2").tobytes()
    (frame,) = decode(dataset, syntax)
    assert frame.pixels.dtype == np.float32
    np.testing.assert_array_equal(frame.pixels, stored)
    assert (frame.number, frame.modality, frame.is_hu, frame.window) == (1, "MR", False, None)


def test_a_deflated_object_is_decoded(tmp_path: Path) -> None:
    stored = noise(5, 7)
    path = tmp_path / "a.dcm"
    path.write_bytes(part10(image_dataset(stored), DeflatedExplicitVRLittleEndian))
    np.testing.assert_array_equal(next(iter_frames(path)).pixels, stored)


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_compressed_pixels_are_decoded(decode: Decode, syntax: str, dtype: type) -> None:
    stored = noise(3, 64, 48, dtype=dtype, high=120)
    frames = decode(compressed(image_dataset(stored), syntax), syntax)
    for frame, expected in zip(frames, stored, strict=True):
        np.testing.assert_array_equal(frame.pixels, expected)


@pytest.mark.parametrize("has_offsets", [True, False])
def test_frames_are_found_with_and_without_an_offset_table(
    decode: Decode, has_offsets: bool
) -> None:
    stored = noise(4, 8, 8, dtype=np.uint16)
    dataset = compressed(image_dataset(stored), RLELossless)
    if not has_offsets:
        frames = list(generate_frames(dataset.PixelData, number_of_frames=4))
        dataset.PixelData = encapsulate(frames, has_bot=False)
    decoded = decode(dataset, RLELossless)
    np.testing.assert_array_equal(np.stack([frame.pixels for frame in decoded]), stored)


def test_a_frame_in_several_fragments_is_put_together(decode: Decode) -> None:
    stored = noise(2, 64, 64, dtype=np.uint16)
    dataset = compressed(image_dataset(stored), JPEG2000Lossless)
    frames = list(generate_frames(dataset.PixelData, number_of_frames=2))
    dataset.PixelData = encapsulate(frames, fragments_per_frame=3, has_bot=True)
    decoded = decode(dataset, JPEG2000Lossless)
    np.testing.assert_array_equal(np.stack([frame.pixels for frame in decoded]), stored)


@pytest.mark.parametrize(
    ("start", "stop", "numbers"),
    [(0, None, [1, 2, 3, 4, 5]), (1, 3, [2, 3]), (4, 99, [5]), (5, None, []), (2, 2, [])],
)
@pytest.mark.parametrize("syntax", [EXPLICIT, RLELossless])
def test_a_range_of_frames_is_decoded(
    tmp_path: Path, start: int, stop: int | None, numbers: list[int], syntax: str
) -> None:
    stored = noise(5, 4, 4, dtype=np.uint16)
    dataset = image_dataset(stored)
    if syntax == RLELossless:
        dataset = compressed(dataset, syntax)
    frames = list(iter_frames(stored_path(tmp_path, dataset, syntax), start, stop))
    assert [frame.number for frame in frames] == numbers
    for frame in frames:
        np.testing.assert_array_equal(frame.pixels, stored[frame.number - 1])


def test_colour_becomes_brightness(decode: Decode) -> None:
    stored = noise(4, 4, 3, dtype=np.uint8, high=255)
    (frame,) = decode(image_dataset(stored))
    np.testing.assert_allclose(frame.pixels, stored @ [0.299, 0.587, 0.114], atol=1e-3)


def test_ybr_becomes_brightness(decode: Decode) -> None:
    stored = np.full((4, 4, 3), 128, np.uint8)
    stored[..., 0] = noise(4, 4, dtype=np.uint8, high=200)
    (frame,) = decode(image_dataset(stored, PhotometricInterpretation="YBR_FULL"))
    np.testing.assert_allclose(frame.pixels, stored[..., 0], atol=1.0)


def test_a_palette_becomes_brightness(decode: Decode) -> None:
    stored = np.arange(4, dtype=np.uint8).reshape(2, 2)
    palette: dict[str, Any] = {}
    for channel, table in {
        "Red": [0, 10, 0, 255],
        "Green": [0, 0, 20, 255],
        "Blue": [0] * 4,
    }.items():
        palette[f"{channel}PaletteColorLookupTableDescriptor"] = [4, 0, 8]
        palette[f"{channel}PaletteColorLookupTableData"] = bytes(table)
    dataset = image_dataset(stored, PhotometricInterpretation="PALETTE COLOR", **palette)
    (frame,) = decode(dataset)
    expected = [[0.0, 2.99], [11.74, 0.886 * 255]]
    np.testing.assert_allclose(frame.pixels, expected, rtol=1e-5)


@pytest.mark.parametrize("allocated", [1, 8])
def test_a_segmentation_is_ones_and_zeros(decode: Decode, allocated: int) -> None:
    stored = noise(3, 5, 5, dtype=np.uint8, high=2)
    packed = np.packbits(stored, axis=None, bitorder="little").tobytes()
    changes: dict[str, Any] = {"Modality": "SEG", "BitsStored": 1, "HighBit": 0}
    if allocated == 1:
        changes |= {"BitsAllocated": 1, "PixelData": packed + b"\0" * (len(packed) % 2)}
    frames = decode(image_dataset(stored, **changes))
    np.testing.assert_array_equal(np.stack([frame.pixels for frame in frames]), stored)


def test_a_dose_is_in_gray(decode: Decode) -> None:
    stored = noise(2, 3, 4, dtype=np.uint32, high=2**31)
    frames = decode(image_dataset(stored, Modality="RTDOSE", DoseGridScaling="1e-6"))
    np.testing.assert_allclose(frames[1].pixels, stored[1] * 1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    ("keyword", "dtype"), [("FloatPixelData", np.float32), ("DoubleFloatPixelData", np.float64)]
)
def test_floating_point_pixels_are_decoded(decode: Decode, keyword: str, dtype: type) -> None:
    stored: NDArray[Any] = np.linspace(-1, 1, 12).reshape(3, 4).astype(dtype)
    stored[0, 0] = np.inf
    dataset = image_dataset(stored, PixelData=None, PixelRepresentation=None, BitsStored=None)
    setattr(dataset, keyword, stored.tobytes())
    (frame,) = decode(dataset)
    assert np.isnan(frame.pixels[0, 0])
    np.testing.assert_allclose(frame.pixels.ravel()[1:], stored.ravel()[1:], rtol=1e-6)
