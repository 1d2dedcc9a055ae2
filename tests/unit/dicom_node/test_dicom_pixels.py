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

from dicom_node.errors import PixelsFailed, PixelsUnsupported
from dicom_node.images import PixelLimits
from dicom_node.pixels import Frame, frame_count, iter_frames
from tests.support.objects import ct_dataset
from tests.unit.dicom_node.samples import (
    EXPLICIT,
    compressed,
    encoded,
    image_dataset,
    part10,
    stored_path,
)

Decode = Callable[..., list[Frame]]
LOSSLESS = [RLELossless, JPEGLSLossless, JPEG2000Lossless]


def noise(*shape: int, dtype: type = np.int16, high: int = 4000) -> NDArray[Any]:
    return np.random.default_rng(7).integers(0, high, shape).astype(dtype)


@pytest.fixture
def decode(tmp_path: Path) -> Decode:
    """Stores a dataset as the node would and decodes all of its frames."""

    def run(dataset: Dataset, transfer_syntax_uid: str = EXPLICIT) -> list[Frame]:
        path = stored_path(tmp_path, dataset, transfer_syntax_uid)
        frames = list(iter_frames(path))
        assert frame_count(path) == len(frames)
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
    stored = np.linspace(-1, 1, 12).reshape(3, 4).astype(dtype)
    stored[0, 0] = np.inf
    dataset = image_dataset(stored, PixelData=None, PixelRepresentation=None, BitsStored=None)
    setattr(dataset, keyword, stored.tobytes())
    (frame,) = decode(dataset)
    assert np.isnan(frame.pixels[0, 0])
    np.testing.assert_allclose(frame.pixels.ravel()[1:], stored.ravel()[1:], rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"}, "Basic Text SR Storage"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}, "Encapsulated PDF Storage"),
        ({"SOPClassUID": "1.2.3.4"}, "an object without pixel data"),
    ],
)
def test_an_object_without_pixels_is_not_an_image(
    tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    path = stored_path(tmp_path, ct_dataset(PixelData=None, **changes))
    for look in (frame_count, lambda path: list(iter_frames(path))):
        with pytest.raises(PixelsUnsupported, match=f"not an image: {reason}"):
            look(path)


@pytest.mark.parametrize(
    ("syntax", "reason"),
    [
        ("1.2.840.10008.1.2.4.102", "a video"),
        ("1.2.840.10008.1.2.4.100.1", "a video"),
        ("1.2.840.10008.1.2.4.94", "another server"),
        ("1.2.840.10008.1.2.4.110", "no decoder"),
        ("1.2.840.10008.1.2.8.1", "no decoder"),
        ("1.2.3.4", "no decoder"),
    ],
)
def test_what_nothing_here_decodes_is_unsupported(tmp_path: Path, syntax: str, reason: str) -> None:
    path = stored_path(tmp_path, ct_dataset(), syntax)
    with pytest.raises(PixelsUnsupported, match=reason):
        frame_count(path)


def test_a_broken_frame_fails_and_those_before_it_are_given(tmp_path: Path) -> None:
    dataset = compressed(image_dataset(noise(3, 64, 64, dtype=np.uint16)), JPEG2000Lossless)
    whole = bytearray(dataset.PixelData)
    second = whole.index(b"\xff\x4f\xff\x51", whole.index(b"\xff\x4f\xff\x51") + 1)
    whole[second : second + 40] = b"Doe^John" * 5
    dataset.PixelData = bytes(whole)
    frames = iter_frames(stored_path(tmp_path, dataset, JPEG2000Lossless))
    assert next(frames).number == 1
    with pytest.raises(PixelsFailed, match="frame 2 does not decode") as caught:
        next(frames)
    assert "Doe" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Rows": 4000}, "bytes of pixel data are fewer than"),
        ({"NumberOfFrames": 7}, "bytes of pixel data are fewer than"),
        ({"Rows": None}, "Rows or Columns"),
        ({"BitsStored": None}, "frame 1 does not decode: Missing required element"),
        ({"PixelRepresentation": None}, "frame 1 does not decode: Missing required element"),
    ],
)
def test_an_image_that_contradicts_itself_fails(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    path = stored_path(tmp_path, image_dataset(noise(4, 4), **changes))
    with pytest.raises(PixelsFailed, match=reason):
        list(iter_frames(path))


def test_fewer_fragments_than_frames_fail(tmp_path: Path) -> None:
    dataset = compressed(image_dataset(noise(2, 4, 4, dtype=np.uint16)), RLELossless)
    dataset.NumberOfFrames = 1000
    with pytest.raises(PixelsFailed, match="1000 frames are declared, but 2 fragments"):
        frame_count(stored_path(tmp_path, dataset, RLELossless))


def test_limits_are_kept(tmp_path: Path) -> None:
    path = stored_path(tmp_path, image_dataset(noise(3, 10, 10)))
    assert frame_count(path, PixelLimits(frame_pixels=100, frames=3)) == 3
    with pytest.raises(PixelsFailed, match="10 x 10 pixels"):
        frame_count(path, PixelLimits(frame_pixels=99))
    with pytest.raises(PixelsFailed, match="3 frames are more"):
        frame_count(path, PixelLimits(frames=2))


def test_a_file_that_is_gone_fails(tmp_path: Path) -> None:
    with pytest.raises(PixelsFailed, match="cannot be read"):
        frame_count(tmp_path / "missing.dcm")


def test_a_file_damaged_on_disk_fails(tmp_path: Path) -> None:
    path = tmp_path / "damaged.dcm"
    path.write_bytes(encoded(ct_dataset())[:500])
    with pytest.raises(PixelsFailed):
        frame_count(path)
