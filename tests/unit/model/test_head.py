"""The head is told from what else a slice shows."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from model.head import _even_grid, cell_size, find_head

SQUARE = (1.0, 1.0)


def disc(
    x: float, y: float, radius: float, shape: tuple[int, int] = (256, 256)
) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    inside: NDArray[np.bool_] = np.hypot(columns - x, rows - y) <= radius
    return inside


def found(
    foreground: NDArray[np.bool_], *, gap: int = 2, spacing: tuple[float, float] = SQUARE
) -> NDArray[np.bool_]:
    """The pixels of the head in the whole slice."""
    head = find_head(foreground, spacing, gap)
    whole = np.zeros_like(foreground)
    whole[head.rows, head.columns] = head.mask
    return whole


def test_a_head_is_found_whole_with_a_narrow_margin() -> None:
    head = disc(120, 130, 70)

    mask = found(head)

    assert mask[head].all()
    assert not mask[~disc(120, 130, 70 + 4 * 4)].any()


def test_holes_and_a_ring_of_dark_skull_belong_to_the_head() -> None:
    brain, outside = disc(128, 128, 60), disc(128, 128, 76)
    scalp = outside & ~disc(128, 128, 70)
    ventricle = disc(120, 120, 26)

    mask = found((brain & ~ventricle) | scalp)

    assert mask[outside].all()


def test_an_open_scalp_still_belongs_to_the_brain() -> None:
    scalp = disc(128, 128, 76) & ~disc(128, 128, 68)
    scalp[:, :128] = False

    mask = found(disc(128, 128, 60) | scalp)

    assert mask[scalp].all()


def test_a_table_below_does_not_belong_to_the_head() -> None:
    head = disc(128, 110, 80)
    table = disc(128, 110, 112) & ~disc(128, 110, 106)
    table[:140] = False

    mask = found(head | table, gap=1)

    assert mask[head].all()
    assert not mask[table].any()


def test_a_table_that_the_head_touches_ends_soon() -> None:
    head = disc(128, 110, 80)
    table = np.zeros_like(head)
    table[188:194] = True

    mask = found(head | table, gap=1)

    assert mask[head].all()
    assert not mask[table & (np.abs(np.arange(256) - 128) > 80)].any()


def test_a_table_that_leaves_the_frame_is_thin_there_too() -> None:
    head = disc(128, 169, 70)
    table = np.zeros_like(head)
    table[248:] = True

    assert not found(head | table, gap=1)[250:].any()


def test_parts_of_the_face_that_lie_apart_are_kept_but_no_table_in_the_same_box() -> None:
    head = disc(128, 128, 50) | disc(128, 60, 14)
    bone = np.zeros_like(head)
    bone[64:72, 100:106] = True
    table = np.zeros_like(head)
    table[60:64, 152:] = True

    mask = found(head | bone | table, gap=1)

    assert mask[bone].all()
    assert not mask[60:64, 152:].any()


@pytest.mark.parametrize("filled", [True, False])
def test_a_head_that_fills_the_frame_and_no_head_are_the_frame(filled: bool) -> None:
    head = find_head(np.full((70, 90), filled), SQUARE, 2)

    assert (head.rows, head.columns) == (slice(0, 70), slice(0, 90))
    assert head.mask.all()


def test_a_head_that_goes_on_beyond_the_frame_loses_nothing_at_its_edge() -> None:
    head = disc(128, 256, 90)

    assert found(head)[head].all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3, 3), (63, 65)])
def test_tiny_and_narrow_pictures_have_a_head(shape: tuple[int, int]) -> None:
    foreground = np.zeros(shape, bool)
    foreground[shape[0] // 2, shape[1] // 2] = True

    head = find_head(foreground, SQUARE, 2)

    assert head.mask.shape == (
        head.rows.stop - head.rows.start,
        head.columns.stop - head.columns.start,
    )
    assert head.mask.any()


def test_the_cells_are_square_in_space() -> None:
    assert cell_size((512, 512), SQUARE) == (8, 8)
    assert cell_size((512, 512), (0.49, 0.49)) == (8, 8)
    assert cell_size((256, 512), (2.0, 1.0)) == (4, 8)
    assert cell_size((20, 30), SQUARE) == (1, 1)


def test_pixels_that_are_not_square_change_no_head() -> None:
    round_head = found(disc(128, 120, 70) | disc(220, 20, 12))

    flat_head = found((disc(128, 120, 70) | disc(220, 20, 12))[::2], spacing=(2.0, 1.0))

    assert np.mean(flat_head != round_head[::2]) < 0.02


@pytest.mark.parametrize("side", [2, 4, 8])
def test_cells_are_counted_as_pillow_averages_them(side: int) -> None:
    rng = np.random.default_rng(1)
    cells = [
        rng.permutation(np.arange(side * side) < count).reshape(side, side)
        for count in range(side * side + 1)
    ]
    foreground = np.vstack([np.hstack(cells), np.hstack(cells[::-1])])

    picture = Image.fromarray(foreground.view(np.uint8) * np.uint8(255))
    expected = np.asarray(picture.reduce(side)) > 127

    np.testing.assert_array_equal(_even_grid(foreground, side), expected)
    assert 0 < expected.sum() < expected.size
