"""Preparing slices: what the encoder must not notice, and what it must."""

import numpy as np
import pytest
from numpy.typing import NDArray

from model.preprocess import PreprocessConfig, prepare

CONFIG = PreprocessConfig(size=64)


def head(height: int = 120, width: int = 100, value: float = 1000.0) -> NDArray[np.float32]:
    """An ellipse with a brighter spot in black air."""
    y, x = np.mgrid[0:200, 0:200]
    image = np.zeros((200, 200), np.float32)
    image[((y - 90) / (height / 2)) ** 2 + ((x - 80) / (width / 2)) ** 2 < 1] = value * 0.5
    image[((y - 80) / 12) ** 2 + ((x - 70) / 12) ** 2 < 1] = value
    return image


def test_mr_does_not_depend_on_the_scale_or_offset_of_the_scanner() -> None:
    noise = np.random.default_rng(1).normal(0, 20, (200, 200))
    image = (head() + noise).astype(np.float32)
    expected = prepare(image, modality="MR", config=CONFIG)

    found = prepare(image * 7 + 300, modality="MR", config=CONFIG)

    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_mr_ignores_a_single_hot_pixel() -> None:
    hot = head()
    hot[0, 0] = 60_000

    found = prepare(hot, modality="MR", config=CONFIG)

    np.testing.assert_allclose(found, prepare(head(), modality="MR", config=CONFIG), atol=0.02)


def test_the_head_is_cropped_wherever_it_lies() -> None:
    shifted = np.roll(head(), (40, 60), axis=(0, 1))

    expected = prepare(head(), modality="MR", config=CONFIG)

    np.testing.assert_array_equal(prepare(shifted, modality="MR", config=CONFIG), expected)
    assert (expected[[0, -1]] > 0).any()


def test_proportions_stay_and_the_sides_are_black() -> None:
    prepared = prepare(head(height=160, width=80), modality="MR", config=CONFIG)
    columns = np.flatnonzero(prepared.any(axis=0))

    assert 31 <= columns.size <= 34
    assert columns[0] == pytest.approx(63 - columns[-1], abs=1)


def test_ct_is_the_window_in_hounsfield_units() -> None:
    image = np.full((100, 100), -1000.0, np.float32)
    image[10:90, 10:90] = 40
    image[30:50, 30:50] = 80
    image[60:70, 60:70] = 3000

    prepared = prepare(image, modality="CT", config=CONFIG)

    assert prepared[4, 32] == pytest.approx(0.5)
    assert prepared[22, 22] == pytest.approx(1.0)
    assert prepared.max() == pytest.approx(1.0)


def test_ct_loses_the_headrest() -> None:
    image = head(value=80.0)
    without = prepare(image, modality="CT", config=CONFIG)
    image[190:194, 10:190] = 80

    np.testing.assert_array_equal(prepare(image, modality="CT", config=CONFIG), without)


def test_ct_without_hounsfield_units_is_still_a_picture() -> None:
    prepared = prepare(head(value=0.5) - 2000, modality="CT", config=CONFIG)

    assert prepared.max() > 0.9


def test_a_small_lesion_survives_antialiased_resizing() -> None:
    image = np.zeros((1024, 1024), np.float32)
    image[100:900, 100:900] = 1000
    image[120:880, 120:880] = 400
    image[500:508, 500:508] = 1000

    prepared = prepare(image, modality="MR", config=PreprocessConfig(size=64))

    middle = prepared[16:48, 16:48]
    assert middle.max() > np.median(middle) + 0.1


@pytest.mark.parametrize("modality", ["CT", "MR", "OT", ""])
@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 1)),
        np.full((1, 1), 40.0),
        np.full((5, 7), np.nan),
        np.full((5, 7), np.inf),
        np.zeros((0, 5)),
        np.full((64, 64), -1024.0),
        np.ones((1, 5000)),
        np.array([[np.finfo(np.float32).max, -np.finfo(np.float32).max, np.nan]]),
        np.array([[np.finfo(np.float64).max, -np.finfo(np.float64).max]]),
        np.array([[5e-324, 0.0]]),
    ],
)
def test_odd_pictures_do_not_crash(pixels: NDArray[np.float64], modality: str) -> None:
    prepared = prepare(pixels, modality=modality, config=CONFIG)  # type: ignore[arg-type]

    assert prepared.shape == (64, 64)
    assert np.isfinite(prepared).all()


def test_padding_counts_as_background() -> None:
    padded = head()
    padded[:20] = np.nan

    prepared = prepare(padded, modality="MR", config=CONFIG)

    np.testing.assert_array_equal(prepared, prepare(head(), modality="MR", config=CONFIG))


def test_only_two_dimensions_are_a_slice() -> None:
    with pytest.raises(ValueError, match="two dimensions"):
        prepare(np.zeros((2, 3, 4), np.float32), modality="MR", config=CONFIG)
