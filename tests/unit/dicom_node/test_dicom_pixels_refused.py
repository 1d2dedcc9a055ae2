from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import JPEG2000Lossless, RLELossless

from dicom_node.errors import PixelsFailed, PixelsUnsupported, StoredFileUnreadable
from dicom_node.images import PixelLimits
from dicom_node.pixels import iter_frames
from tests.support.objects import ct_dataset
from tests.unit.dicom_node.samples import compressed, encoded, image_dataset, noise, stored_path


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"}, "Basic Text SR Storage"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}, "Encapsulated PDF Storage"),
        ({"SOPClassUID": "1.2.3.4"}, "an object without pixel data"),
    ],
)
def test_an_object_without_pixels_is_not_an_image(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    path = stored_path(tmp_path, ct_dataset(PixelData=None, **changes))
    with pytest.raises(PixelsUnsupported, match=f"not an image: {reason}"):
        list(iter_frames(path))


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
        next(iter_frames(path))


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
        next(iter_frames(stored_path(tmp_path, dataset, RLELossless)))


def test_limits_are_kept(tmp_path: Path) -> None:
    path = stored_path(tmp_path, image_dataset(noise(3, 10, 10)))
    assert next(iter_frames(path, limits=PixelLimits(frame_pixels=100, frames=3))).total == 3
    with pytest.raises(PixelsFailed, match="10 x 10 pixels"):
        next(iter_frames(path, limits=PixelLimits(frame_pixels=99)))
    with pytest.raises(PixelsFailed, match="3 frames are more"):
        next(iter_frames(path, limits=PixelLimits(frames=2)))


def test_a_file_that_is_gone_is_not_blamed_on_its_pixels(tmp_path: Path) -> None:
    with pytest.raises(StoredFileUnreadable, match="cannot be read"):
        next(iter_frames(tmp_path / "missing.dcm"))


def test_a_file_damaged_on_disk_fails(tmp_path: Path) -> None:
    path = tmp_path / "damaged.dcm"
    path.write_bytes(encoded(ct_dataset())[:500])
    with pytest.raises(PixelsFailed):
        next(iter_frames(path))
