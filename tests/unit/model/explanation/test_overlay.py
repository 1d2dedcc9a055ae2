import numpy as np
import pytest

from model.explanation.overlay import (
    PANEL,
    colour,
    heat_in_source,
    overlay,
    panel,
    panel_shape,
    side_by_side,
)
from model.placement import Placement
from model.preprocess import PreprocessConfig, prepare_placed


def spot(shape: tuple[int, int], row: int, column: int) -> np.ndarray:
    heat = np.zeros(shape, np.float32)
    heat[row - 1 : row + 2, column - 1 : column + 2] = 0.5
    heat[row, column] = 1
    return heat


def hottest(heat: np.ndarray) -> tuple[int, int]:
    row, column = np.unravel_index(int(np.argmax(heat)), heat.shape)
    return int(row), int(column)


def test_a_placement_that_moves_nothing_leaves_heat_where_it_is() -> None:
    heat = spot((20, 20), 5, 12)
    moved = heat_in_source(heat, Placement(((1, 0), (0, 1)), (0, 0)), (20, 20), (20, 20))
    np.testing.assert_allclose(moved, heat, atol=1e-6)


def test_heat_goes_back_through_crop_and_turn() -> None:
    placement = Placement(((0, -0.5), (0.5, 0)), (20.0, 3.0))
    ((x, y),) = placement.to_source(np.array([[9, 14]]))
    moved = heat_in_source(spot((32, 32), 14, 9), placement, (60, 70), (60, 70))
    assert moved.shape == (60, 70)
    assert hottest(moved) == pytest.approx((y, x), abs=1)


def test_a_huge_slice_is_covered_by_few_samples() -> None:
    placement = Placement(((0.01, 0), (0, 0.005)), (-3.0, 1.0))
    ((x, y),) = placement.to_source(np.array([[20, 14]]))
    moved = heat_in_source(spot((32, 32), 14, 20), placement, (8000, 6000), (400, 150))
    assert moved.shape == (400, 150)
    assert hottest(moved) == pytest.approx((y / 20, x / 40), abs=3)


@pytest.mark.parametrize("orientation", [None, (0, 1, 0, 0, 0, -1), (-1, 0, 0, 0, -1, 0)])
def test_heat_over_a_prepared_slice_lies_over_its_source(
    orientation: tuple[float, ...] | None,
) -> None:
    pixels = np.zeros((90, 120), np.float32)
    pixels[15:80, 30:110] = np.random.default_rng(1).uniform(300, 500, (65, 80))
    pixels[24:29, 40:45] = 2000
    picture, placement = prepare_placed(
        pixels, modality="MR", config=PreprocessConfig(size=64), orientation=orientation
    )
    moved = heat_in_source(picture**4, placement, (90, 120), (90, 120))
    assert hottest(moved) == pytest.approx((26, 42), abs=2)


def test_cold_pixels_stay_as_they_are() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    heat = np.zeros((3, 4), np.float32)
    heat[2, 3] = 1
    over = overlay(grey, heat)
    assert (over[heat == 0] == grey[heat == 0][:, None]).all()
    assert over[2, 3].tolist() != [11, 11, 11]


def test_colours_grow_brighter_with_heat() -> None:
    brightness = colour(np.linspace(0, 1, 50, dtype=np.float32)).sum(axis=1)
    assert (np.diff(brightness) > 0).all()


def test_slices_of_any_shape_stand_side_by_side() -> None:
    panels = [panel(np.full(shape, 90, np.uint8)) for shape in ((30, 60), (2100, 1050))]
    picture = side_by_side([(one, np.zeros(one.shape, np.float32)) for one in panels])
    assert picture.mode == "RGB"
    assert picture.size == (PANEL + 8 + PANEL // 2, PANEL)
    assert np.asarray(picture)[PANEL // 2, 10].tolist() == [90, 90, 90]
    assert np.asarray(picture)[0, 10].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [((30, 60), (256, 512)), ((8192, 4096), (512, 256)), ((1, 1 << 16), (1, 512))],
)
def test_a_panel_has_the_shape_of_its_slice(shape: tuple[int, int], drawn: tuple[int, int]) -> None:
    assert panel_shape(shape) == drawn
    assert panel(np.zeros(shape, np.uint8)).shape == drawn
