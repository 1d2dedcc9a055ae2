from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicom_node.errors import PixelsFailed
from dicom_node.pixels import Frame, iter_frames
from tests.unit.dicom_node.samples import image_dataset, stored_path

Decode = Callable[[Dataset], list[Frame]]
STORED = np.array([[0, 100], [1000, 2000]], np.int16)


@pytest.fixture
def decode(tmp_path: Path) -> Decode:
    return lambda dataset: list(iter_frames(stored_path(tmp_path, dataset)))


def item(**values: Any) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def ct(**changes: Any) -> Dataset:
    described = {"Modality": "CT", "RescaleSlope": 2, "RescaleIntercept": -1024, **changes}
    return image_dataset(STORED, **described)


def test_a_ct_is_in_hounsfield_units(decode: Decode) -> None:
    (frame,) = decode(ct())
    np.testing.assert_array_equal(frame.pixels, STORED * 2.0 - 1024)
    assert frame.is_hu


@pytest.mark.parametrize(
    "changes",
    [
        {"RescaleType": "US"},
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"RescaleSlope": None, "RescaleIntercept": None},
        {"BitsStored": 8, "RescaleSlope": 1, "RescaleIntercept": 0},
        {"Modality": "MR"},
    ],
)
def test_what_is_not_in_hounsfield_units_does_not_say_so(
    decode: Decode, changes: dict[str, Any]
) -> None:
    (frame,) = decode(ct(**changes))
    assert not frame.is_hu


def test_a_lookup_table_replaces_the_rescale(decode: Decode) -> None:
    table = item(LUTDescriptor=[4, 0, 16], LUTData=np.array([5, 7, 11, 13], "<u2").tobytes())
    table["LUTDescriptor"].VR = "US"
    stored = np.array([[0, 1], [2, 3]], np.uint16)
    (frame,) = decode(image_dataset(stored, ModalityLUTSequence=[table]))
    np.testing.assert_array_equal(frame.pixels, [[5, 7], [11, 13]])


def test_a_broken_lookup_table_fails_without_its_values(decode: Decode) -> None:
    broken = item(LUTExplanation="Doe^John")
    with pytest.raises(PixelsFailed, match="frame 1 cannot be turned into grey") as caught:
        decode(image_dataset(STORED, ModalityLUTSequence=[broken]))
    assert "Doe" not in str(caught.value)


def test_each_frame_of_an_enhanced_object_has_its_own_values(decode: Decode) -> None:
    per_frame = [
        item(
            PixelValueTransformationSequence=[
                item(RescaleSlope=slope, RescaleIntercept=10, RescaleType="US")
            ]
        )
        for slope in (1, 3)
    ]
    shared = item(FrameVOILUTSequence=[item(WindowCenter=50, WindowWidth=20)])
    frames = decode(
        image_dataset(
            np.stack([STORED, STORED]),
            PerFrameFunctionalGroupsSequence=per_frame,
            SharedFunctionalGroupsSequence=[shared],
        )
    )
    np.testing.assert_array_equal(frames[0].pixels, STORED + 10.0)
    np.testing.assert_array_equal(frames[1].pixels, STORED * 3.0 + 10)
    assert [frame.window for frame in frames] == [(50.0, 20.0)] * 2


def test_more_frames_than_functional_groups_are_decoded_all_the_same(decode: Decode) -> None:
    group = item(PixelValueTransformationSequence=[item(RescaleSlope=2, RescaleIntercept=0)])
    frames = decode(
        image_dataset(np.stack([STORED, STORED]), PerFrameFunctionalGroupsSequence=[group])
    )
    np.testing.assert_array_equal(frames[0].pixels, STORED * 2.0)
    np.testing.assert_array_equal(frames[1].pixels, STORED)


def test_padding_has_no_value(decode: Decode) -> None:
    (frame,) = decode(image_dataset(STORED, PixelPaddingValue=1000))
    np.testing.assert_array_equal(np.isnan(frame.pixels), STORED == 1000)


def test_padding_may_be_a_range(decode: Decode) -> None:
    dataset = image_dataset(STORED, PixelPaddingValue=2000, PixelPaddingRangeLimit=1000)
    (frame,) = decode(dataset)
    np.testing.assert_array_equal(np.isnan(frame.pixels), STORED >= 1000)


def test_padding_written_with_the_wrong_sign_is_found(decode: Decode) -> None:
    stored = np.array([[-2000, 5]], np.int16)
    dataset = image_dataset(stored)
    dataset.add_new("PixelPaddingValue", "US", 63536)
    (frame,) = decode(dataset)
    np.testing.assert_array_equal(np.isnan(frame.pixels), [[True, False]])


def test_monochrome1_is_turned_around_with_its_window(decode: Decode) -> None:
    stored = np.array([[0, 1000], [3000, 4095]], np.uint16)
    (frame,) = decode(
        image_dataset(
            stored,
            PhotometricInterpretation="MONOCHROME1",
            BitsStored=12,
            HighBit=11,
            WindowCenter=1000,
            WindowWidth=200,
        )
    )
    np.testing.assert_array_equal(frame.pixels, 4095.0 - stored)
    assert frame.window == (3095.0, 200.0)


def test_monochrome1_in_hounsfield_units_stays(decode: Decode) -> None:
    (frame,) = decode(ct(PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(frame.pixels, STORED * 2.0 - 1024)


@pytest.mark.parametrize(
    ("changes", "window"),
    [
        ({"WindowCenter": [40, 600], "WindowWidth": [80, 2800]}, (40.0, 80.0)),
        ({"WindowCenter": 40, "WindowWidth": 0}, None),
        ({"WindowCenter": 0.5, "WindowWidth": 0.5}, None),
        ({"WindowCenter": 0.5, "WindowWidth": 0.5, "VOILUTFunction": "SIGMOID"}, (0.5, 0.5)),
        ({"WindowCenter": 40}, None),
        ({}, None),
    ],
)
def test_the_first_window_that_means_something_is_taken(
    decode: Decode, changes: dict[str, Any], window: tuple[float, float] | None
) -> None:
    (frame,) = decode(image_dataset(STORED, **changes))
    assert frame.window == window
