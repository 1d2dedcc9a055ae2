"""What is read past pydicom is what pydicom would have read."""

from io import BytesIO
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_node.errors import PixelsFailed
from dicom_node.native import NativeGrey, native_grey
from tests.unit.dicom_node.samples import image_dataset, noise, part10


def any_bits(dtype: type) -> NDArray[Any]:
    """Two frames in which every bit may be set, those above Bits Stored too."""
    numbers = np.random.default_rng(3).integers(0, 256, 2 * 6 * 5 * np.dtype(dtype).itemsize)
    return numbers.astype(np.uint8).view(dtype).reshape(2, 6, 5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize("unused", [0, 1, 4, 7])
def test_frames_are_those_of_pydicom(dtype: type, unused: int) -> None:
    stored = any_bits(dtype)
    dataset = image_dataset(stored, BitsStored=8 * stored.dtype.itemsize - unused)
    native = native_grey(dataset)
    assert native is not None
    file = BytesIO(b"before" + dataset.PixelData)
    found = [native.read(file, 6 + n * native.frame_bytes) for n in range(2)]
    assert found[0].dtype == dtype
    assert found[0].flags.writeable
    expected = pydicom.dcmread(BytesIO(part10(dataset))).pixel_array
    np.testing.assert_array_equal(np.stack(found), expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"PhotometricInterpretation": "PALETTE COLOR"},
        {"PhotometricInterpretation": ""},
        {"SamplesPerPixel": 3},
        {"BitsAllocated": 1, "BitsStored": 1},
        {"BitsAllocated": 32},
        {"BitsStored": 17},
        {"BitsStored": 0},
        {"PixelRepresentation": 2},
        {"Rows": None},
        {"Columns": [5, 5]},
    ],
)
def test_what_takes_a_closer_look_is_left_to_pydicom(changes: dict[str, Any]) -> None:
    assert native_grey(image_dataset(noise(6, 5))) is not None
    assert native_grey(image_dataset(noise(6, 5), **changes)) is None


def test_elements_that_are_missing_are_left_to_pydicom() -> None:
    assert native_grey(Dataset()) is None


def test_a_file_that_ends_too_soon_is_refused() -> None:
    native = NativeGrey(2, 3, np.dtype("<u2"), unused_bits=0)
    with pytest.raises(PixelsFailed, match="ends within its pixel data"):
        native.read(BytesIO(b"\0" * 11), 0)
