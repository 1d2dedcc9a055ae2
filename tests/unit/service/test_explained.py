"""What an explanation says of a slice, and what it takes to draw a huge one."""

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from model.placement import Placement
from service.explained import drawn, slice_side
from service.showing import ShownSlice

SIDE = 32  # of a prepared picture


def shown(shape: tuple[int, int]) -> ShownSlice:
    """A slice whose prepared picture shows all of it."""
    rows, columns = shape
    return ShownSlice(
        shape=shape,
        grey=np.full((512, 512), 90, np.uint8),
        prepared=np.zeros((SIDE, SIDE), np.float32),
        placement=Placement(
            ((SIDE / columns, 0), (0, SIDE / rows)),
            (SIDE / columns / 2 - 0.5, SIDE / rows / 2 - 0.5),
        ),
    )


def spot() -> np.ndarray:
    heat = np.zeros((SIDE, SIDE), np.float32)
    heat[8:12, 20:24] = 0.5
    heat[9, 21] = 1
    return heat


@pytest.mark.parametrize("shape", [(64, 96), (8192, 8192)])
def test_cells_and_the_hottest_point_are_of_the_source(shape: tuple[int, int]) -> None:
    side = slice_side(shown(shape), spot(), (0.1, 0.2, 0.3), 0.4)
    assert (side.rows, side.columns) == shape
    expected = ((21 + 0.5) * shape[1] / SIDE - 0.5, (9 + 0.5) * shape[0] / SIDE - 0.5)
    assert side.hottest == pytest.approx(expected, abs=0.1)
    cells = np.array(side.heat)
    assert cells.shape == (32, 32)
    # A cell is a pixel of the prepared picture here; at its edges neighbours shine in.
    assert np.unravel_index(cells.argmax(), cells.shape) == (9, 21)
    assert cells[10, 22] == pytest.approx(0.5, abs=0.1)
    assert cells[:6].max() == cells[:, :18].max() == 0


def test_a_huge_slice_takes_no_more_memory_than_its_panel() -> None:
    one, heat = shown((8192, 8192)), spot()
    tracemalloc.start()
    slice_side(one, heat, (0.1, 0.2, 0.3), 0.4)
    png = drawn([(one, heat), (one, heat)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8192 * 8192 / 2
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image, np.int16)
    assert pixels.shape == (512, 512 + 8 + 512, 3)
    hot = np.abs(pixels[:, :512] - 90).sum(axis=2)
    y, x = np.unravel_index(hot.argmax(), hot.shape)
    assert (y // 16, x // 16) == (9, 21)
