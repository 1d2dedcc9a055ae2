"""What real archives hold: tables, letters, padding, odd scales, odd pixels, odd orientations."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from model.preprocess import PreprocessConfig, prepare, prepare_placed
from tests.support.heads import ct_head, letters, mr_head

CONFIG = PreprocessConfig(size=96)
SLICES = {"CT": ct_head, "MR": mr_head}
HEIGHTS = (5.0, 52.0)

Picture = NDArray[np.float32]


def prepared(pixels: Picture, modality: str) -> Picture:
    return prepare(pixels, modality=modality, config=CONFIG)


def shaped(change: Callable[[Image.Image], Image.Image], pixels: Picture) -> Picture:
    return np.asarray(change(Image.fromarray(pixels)))


@pytest.mark.parametrize("height", HEIGHTS)
@pytest.mark.parametrize("modality", SLICES)
@pytest.mark.parametrize("size", [8, 14])
def test_letters_and_rulers_beside_the_head_change_nothing(
    modality: str, height: float, size: int
) -> None:
    pixels = SLICES[modality](height)
    lettered = np.where(letters(pixels.shape, size), pixels.max() * 1.3, pixels)

    assert (lettered != pixels).mean() > 0.0025
    np.testing.assert_allclose(
        prepared(lettered, modality), prepared(pixels, modality), rtol=0, atol=1e-3
    )


def test_many_bright_letters_do_not_hide_what_is_far_from_the_coil() -> None:
    pixels = mr_head() * np.linspace(1, 0.25, 256, dtype=np.float32)[:, None]
    lettered = pixels.copy()
    lettered[2:18:4, 4:-4] = 3 * pixels.max()
    lettered[20:-4, 2:18:4] = 3 * pixels.max()

    assert (lettered != pixels).mean() > 0.02
    np.testing.assert_allclose(prepared(lettered, "MR"), prepared(pixels, "MR"), rtol=0, atol=0.01)


def test_letters_over_the_head_stay() -> None:
    pixels = mr_head()
    lettered = pixels.copy()
    lettered[110:114, 100:150] = pixels.max()

    assert (prepared(lettered, "MR") - prepared(pixels, "MR")).max() > 0.2


@pytest.mark.parametrize("height", HEIGHTS)
def test_the_head_holder_of_a_ct_is_black_and_out_of_the_crop(height: float) -> None:
    pixels, without = ct_head(height), ct_head(height, holder=False)
    tabled = pixels.copy()
    tabled[244:] = 150

    assert ((pixels > 80) & (without < 0)).sum() > 200
    np.testing.assert_allclose(prepared(pixels, "CT"), prepared(without, "CT"), rtol=0, atol=1e-3)
    np.testing.assert_allclose(prepared(tabled, "CT"), prepared(without, "CT"), rtol=0, atol=1e-3)


def test_a_cable_beside_the_head_is_black_in_mr() -> None:
    pixels = mr_head()
    cabled = pixels.copy()
    cabled[30:220, 20:24] = pixels.max()

    np.testing.assert_allclose(prepared(cabled, "MR"), prepared(pixels, "MR"), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "stored",
    [
        lambda image: image * 60,
        lambda image: image - 30_000,
        lambda image: image / 4000,
        lambda image: image * 1e-30,
        lambda image: image * 1e30,
        np.float16,
    ],
)
def test_mr_of_any_scale_and_depth_is_the_same_picture(
    stored: Callable[[Picture], Picture],
) -> None:
    found = prepared(stored(mr_head()), "MR")

    np.testing.assert_allclose(found, prepared(mr_head(), "MR"), rtol=0, atol=2e-3)


@pytest.mark.parametrize("padding", [-32768.0, -2000.0, 63536.0, np.nan, -np.inf, np.inf])
@pytest.mark.parametrize("modality", SLICES)
def test_padding_around_a_round_field_of_view_is_air(modality: str, padding: float) -> None:
    pixels = SLICES[modality]()
    rows, columns = np.mgrid[:256, :256]
    outside = np.hypot(rows - 128, columns - 128) > 124
    air = -1000.0 if modality == "CT" else 0.0

    found = prepared(np.where(outside, np.float32(padding), pixels), modality)

    expected = prepared(np.where(outside, np.float32(air), pixels), modality)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("padding", [-2000.0, -3024.0, 63536.0, 62512.0, np.nan])
def test_padding_that_touches_the_head_of_a_ct_is_air(padding: float) -> None:
    padded, cut = ct_head(), ct_head()
    padded[:, 190:], cut[:, 190:] = padding, -1000

    np.testing.assert_array_equal(prepared(padded, "CT"), prepared(cut, "CT"))


def test_a_ct_stored_with_water_at_1024_is_moved() -> None:
    found = prepared(ct_head().clip(-1024, None) + 1024, "CT")

    np.testing.assert_allclose(found, prepared(ct_head(), "CT"), rtol=0, atol=1e-3)


def test_a_ct_with_a_brain_window_burnt_in_is_taken_at_its_word() -> None:
    found = prepared(ct_head().clip(0, 80), "CT")

    np.testing.assert_allclose(found, prepared(ct_head(), "CT"), rtol=0, atol=1e-3)


@pytest.mark.parametrize("modality", SLICES)
def test_a_crop_within_the_head_is_kept_whole(modality: str) -> None:
    pixels = SLICES[modality]()[70:170, 90:160]

    picture, placement = prepare_placed(pixels, modality=modality, config=CONFIG)

    left, top, right, bottom = placement.box_to_prepared((-0.5, -0.5, 69.5, 99.5))
    assert (top, bottom) == pytest.approx((-0.5, 95.5))
    assert right - left == pytest.approx(67, abs=1)
    assert np.median(picture[:, 20:76]) > 0.2


@pytest.mark.parametrize("modality", SLICES)
def test_pixels_that_are_not_square_become_square(modality: str) -> None:
    pixels = SLICES[modality]()
    flat = shaped(lambda image: image.resize((256, 128), Image.Resampling.BOX), pixels)

    found = prepare(flat, modality=modality, config=CONFIG, spacing=(1.8, 0.9))

    assert np.abs(found - prepared(pixels, modality)).mean() < 0.03
    assert np.abs(prepared(flat, modality) - prepared(pixels, modality)).mean() > 0.1


@pytest.mark.parametrize(
    "spacing", [(0.0, 1.0), (1.0, float("nan")), (-1.0, -1.0), (1e-9, 1.0), (1.0, float("inf"))]
)
def test_a_spacing_that_cannot_be_is_ignored(spacing: tuple[float, float]) -> None:
    found = prepare(mr_head(), modality="MR", config=CONFIG, spacing=spacing)

    np.testing.assert_array_equal(found, prepared(mr_head(), "MR"))


@pytest.mark.parametrize("modality", SLICES)
def test_the_head_of_a_tilted_gantry_is_sheared_but_whole(modality: str) -> None:
    shear = (1, 0.25, -32, 0, 1, 0)
    pixels = mr_head() if modality == "MR" else ct_head(holder=False)
    air = float(pixels.min())

    sheared = shaped(
        lambda image: image.transform(
            image.size, Image.Transform.AFFINE, shear, Image.Resampling.BILINEAR, fillcolor=air
        ),
        pixels,
    )
    picture, placement = prepare_placed(sheared, modality=modality, config=CONFIG)

    brain = np.argwhere(sheared > (10 if modality == "CT" else 300))[:, ::-1]
    places = placement.to_prepared(brain)
    # The skin below a CT's skull is thin enough to be cut off.
    assert places.min() > -1
    assert places.max() < CONFIG.size + 3
    assert np.median(picture[tuple(np.rint(places).astype(int).clip(0, 95).T[::-1])]) > 0.2


TURNED = {
    (1, 0, 0, 0, 1, 0): lambda image: image,
    (-1, 0, 0, 0, 1, 0): np.fliplr,
    (1, 0, 0, 0, -1, 0): np.flipud,
    (-1, 0, 0, 0, -1, 0): lambda image: np.rot90(image, 2),
    (0, 1, 0, 1, 0, 0): np.transpose,
    (0, -1, 0, 1, 0, 0): lambda image: np.rot90(image, -1),
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("modality", SLICES)
def test_a_slice_stored_another_way_round_is_the_same_picture(
    modality: str, orientation: tuple[float, ...]
) -> None:
    pixels = SLICES[modality]()[:, 10:]
    flat = pixels[::2]

    found = prepare(
        TURNED[orientation](pixels), modality=modality, config=CONFIG, orientation=orientation
    )
    stored = TURNED[orientation](flat)
    spacing = (2.0, 1.0) if stored.shape == flat.shape else (1.0, 2.0)
    found_flat = prepare(
        stored, modality=modality, config=CONFIG, orientation=orientation, spacing=spacing
    )

    np.testing.assert_array_equal(found, prepared(pixels, modality))
    expected_flat = prepare(flat, modality=modality, config=CONFIG, spacing=(2.0, 1.0))
    np.testing.assert_array_equal(found_flat, expected_flat)
