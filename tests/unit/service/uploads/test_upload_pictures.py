"""Picture files of every depth and colour, read as grey."""

import struct
import zlib
from io import BytesIO
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.errors import UploadUnsearchable, UploadUnsupported
from service.uploads.kinds import kind_of
from service.uploads.pictures import read_picture
from tests.support.uploads import picture_bytes

RAMP = np.arange(48 * 40).reshape(48, 40)
GREY = (RAMP % 256).astype(np.uint8)


def grey(data: bytes, kind: Literal["png", "jpeg"]) -> NDArray[np.float32]:
    return read_picture(data, kind).pixels


@pytest.mark.parametrize("most", [4095, 65535], ids=["12 bits", "16 bits"])
def test_deep_grey_stays_deep(most: int) -> None:
    values = (RAMP * (most // RAMP.max())).astype(np.uint16)
    np.testing.assert_array_equal(grey(picture_bytes(values), "png"), values)


def test_white_is_what_the_bits_can_hold() -> None:
    assert read_picture(picture_bytes(GREY), "png").white == 255
    assert read_picture(picture_bytes(GREY, "JPEG"), "jpeg").white == 255
    assert read_picture(picture_bytes(RAMP.astype(np.uint16)), "png").white == 65535


def test_shallow_grey_and_palettes_are_read() -> None:
    np.testing.assert_array_equal(grey(picture_bytes(GREY), "png"), GREY)
    data = BytesIO()
    Image.fromarray(GREY).convert("1", dither=Image.Dither.NONE).save(data, "PNG")
    assert set(np.unique(grey(data.getvalue(), "png"))) == {0, 255}
    data = BytesIO()
    Image.fromarray(GREY).convert("P").save(data, "PNG")
    np.testing.assert_array_equal(grey(data.getvalue(), "png"), GREY)


def test_colour_becomes_brightness() -> None:
    same = np.stack([GREY] * 3, axis=-1)
    np.testing.assert_array_equal(grey(picture_bytes(same), "png"), GREY)
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200
    np.testing.assert_allclose(grey(picture_bytes(red), "png"), 0.299 * 200, atol=1)
    data = BytesIO()
    Image.fromarray(same).convert("CMYK").save(data, "JPEG", quality=98)
    np.testing.assert_allclose(grey(data.getvalue(), "jpeg"), GREY, atol=24)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_what_is_transparent_lies_on_black(mode: str) -> None:
    layers = 1 if mode == "LA" else 3
    alpha = np.full(GREY.shape, 255, np.uint8)
    alpha[:10] = 0
    alpha[10:20] = 51
    data = picture_bytes(np.stack([GREY] * layers + [alpha], axis=-1))
    found = grey(data, "png")
    np.testing.assert_array_equal(found[:10], 0)
    np.testing.assert_allclose(found[10:20], GREY[10:20] / 5, atol=1e-3)
    np.testing.assert_array_equal(found[20:], GREY[20:])


def test_a_transparent_colour_of_a_palette_lies_on_black() -> None:
    image = Image.fromarray((GREY > 99).astype(np.uint8)).convert("P")
    image.putpalette([250, 250, 250, 90, 90, 90])
    data = BytesIO()
    image.save(data, "PNG", transparency=0)
    np.testing.assert_array_equal(grey(data.getvalue(), "png"), np.where(GREY > 99, 90, 0))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_orientation_of_a_photograph_is_followed(kind: str) -> None:
    upright = np.zeros((48, 40), np.uint8)
    upright[:16] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise for display
    data = picture_bytes(np.rot90(upright).copy(), kind, exif=exif)
    found = grey(data, "png" if kind == "PNG" else "jpeg")
    assert found.shape == (48, 40)
    np.testing.assert_allclose(found, upright, atol=8)


def test_pictures_that_are_broken_or_too_large_are_refused() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (48, 40))
    data = picture_bytes(noise.astype(np.uint8))
    with pytest.raises(UploadUnsearchable, match="PNG file cannot be decoded"):
        read_picture(data[: len(data) // 2], "png")
    with pytest.raises(UploadUnsearchable, match="JPEG file cannot be decoded"):
        read_picture(b"\xff\xd8\xff" + data, "jpeg")
    size = struct.pack(">II", 1 << 15, 1 << 12)
    head = b"IHDR" + size + data[24:29]
    larger = data[:12] + head + struct.pack(">I", zlib.crc32(head)) + data[33:]
    with pytest.raises(UploadUnsearchable, match="32768 x 4096 pixels"):
        read_picture(larger, "png")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (picture_bytes(GREY), "png"),
        (picture_bytes(GREY, "JPEG"), "jpeg"),
        (bytes(128) + b"DICM", "dicom"),
        (b"\x08\x00\x05\x00CS", "dicom"),
        (b"\x00\x08\x00\x05CS", "dicom"),
    ],
)
def test_the_first_bytes_tell_the_kind(data: bytes, kind: str) -> None:
    assert kind_of(data) == kind


@pytest.mark.parametrize("data", [b"", b"\x89PNG", b"BM" + bytes(200), bytes(500)])
def test_other_bytes_are_unsupported(data: bytes) -> None:
    with pytest.raises(UploadUnsupported):
        kind_of(data)
