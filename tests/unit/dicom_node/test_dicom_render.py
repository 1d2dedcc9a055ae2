import numpy as np
import pytest

from dicom_node.pixels import Frame, render


def frame(
    pixels: list[float], window: tuple[float, float] | None = None, function: str = "LINEAR"
) -> Frame:
    return Frame(1, np.array([pixels], np.float32), window, "CT", True, function)


@pytest.mark.parametrize(
    ("function", "pixels", "expected"),
    [
        # PS3.3 C.11.2.1.2: centre 2048, width 4096 maps 0..4095 to the full range.
        ("LINEAR", [-1, 0, 4095, 5000], [0, 0, 255, 255]),
        # PS3.3 C.11.2.1.3.2: centre +- width / 2 are the ends.
        ("LINEAR_EXACT", [0, 1024, 2048, 4096], [0, 64, 128, 255]),
        # PS3.3 C.11.2.1.3.1: half way at the centre, 1 / (1 + e^-2) half a width above it.
        ("SIGMOID", [2048, 4096, 0, 1e6], [128, 225, 30, 255]),
    ],
)
def test_a_window_is_applied_by_its_function(
    function: str, pixels: list[float], expected: list[int]
) -> None:
    picture = render(frame(pixels, (2048, 4096), function))
    assert picture.dtype == np.uint8
    assert picture[0].tolist() == expected


def test_a_window_of_one_is_a_threshold() -> None:
    assert render(frame([9, 10, 11], (10, 1)))[0].tolist()[::2] == [0, 255]


def test_without_a_window_the_percentiles_are_the_ends() -> None:
    picture = render(frame(list(range(1001))))
    assert (picture.min(), picture.max()) == (0, 255)
    assert abs(int(picture[0, 500]) - 127) <= 2


def test_what_has_no_value_is_black() -> None:
    assert render(frame([np.nan, 100, 200], (100, 100)))[0].tolist()[0] == 0
    assert render(frame([np.nan, np.nan])).tolist() == [[0, 0]]


def test_a_flat_frame_is_rendered() -> None:
    assert render(frame([5, 5, 5])).shape == (1, 3)
