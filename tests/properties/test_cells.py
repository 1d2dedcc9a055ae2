"""Cells kept as one number behave as arrays of cells do."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from model.cells import Cells

Mask = NDArray[np.bool_]
MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
PAIRS = hnp.array_shapes(min_dims=2, max_dims=2, max_side=12).flatmap(
    lambda shape: st.tuples(hnp.arrays(np.bool_, shape), hnp.arrays(np.bool_, shape))
)
REACHES = st.integers(0, 14)


def reached(mask: Mask, reach: int) -> Mask:
    """Whether any cell of the square around each is set, one by one."""
    found = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        found[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] = True
    return found


@given(MASKS)
def test_a_mask_comes_back(mask: Mask) -> None:
    cells = Cells.of(mask)

    np.testing.assert_array_equal(cells.mask(), mask)
    assert len(cells) == mask.sum()
    assert bool(cells) == mask.any()


@pytest.mark.parametrize(
    ("of_cells", "of_masks"),
    [
        (Cells.__and__, np.logical_and),
        (Cells.__or__, np.logical_or),
        (Cells.__sub__, lambda one, other: one & ~other),
    ],
)
@given(pair=PAIRS)
def test_sets_are_joined_cell_by_cell(
    of_cells: Callable[[Cells, Cells], Cells],
    of_masks: Callable[[Mask, Mask], Mask],
    pair: tuple[Mask, Mask],
) -> None:
    found = of_cells(Cells.of(pair[0]), Cells.of(pair[1]))

    np.testing.assert_array_equal(found.mask(), of_masks(*pair))


@given(MASKS, REACHES)
def test_morphology_is_that_of_squares(mask: Mask, reach: int) -> None:
    cells = Cells.of(mask)
    beyond = np.pad(mask, reach)
    inner = slice(reach, -reach) if reach else slice(None)
    opened = reached(~reached(~beyond, reach)[inner, inner] & mask, reach)

    np.testing.assert_array_equal(cells.dilated(reach).mask(), reached(mask, reach))
    np.testing.assert_array_equal(cells.eroded(reach).mask(), ~reached(~mask, reach))
    np.testing.assert_array_equal(cells.opened(reach).mask(), opened)
    np.testing.assert_array_equal(
        cells.closed(reach).mask(), ~reached(~reached(mask, reach), reach)
    )


@given(MASKS)
def test_surrounded_means_on_all_four_sides(mask: Mask) -> None:
    expected = np.zeros_like(mask)
    for y, x in np.ndindex(*mask.shape):
        sides = mask[: y + 1, x], mask[y:, x], mask[y, : x + 1], mask[y, x:]
        expected[y, x] = all(side.any() for side in sides)

    np.testing.assert_array_equal(Cells.of(mask).surrounded().mask(), expected)


@given(PAIRS, st.integers(0, 30))
def test_growth_keeps_to_its_bounds_and_its_steps(pair: tuple[Mask, Mask], steps: int) -> None:
    start, within = pair[0] & pair[1], pair[1]
    expected = start.copy()
    for _ in range(steps):
        before = np.pad(expected, 1)
        near = before[:-2, 1:-1] | before[2:, 1:-1] | before[1:-1, :-2] | before[1:-1, 2:]
        expected = (expected | near) & within

    found = Cells.of(start).grown(Cells.of(within), steps)

    np.testing.assert_array_equal(found.mask(), expected)


@settings(deadline=None)
@given(MASKS)
def test_the_largest_component_is_what_a_flood_fill_finds(mask: Mask) -> None:
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}
    sizes = []
    while left:
        edge = [left.pop()]
        size = 0
        while edge:
            y, x = edge.pop()
            size += 1
            near = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & left
            left -= near
            edge += near
        sizes.append(size)

    found = Cells.of(mask).largest_component().mask()

    assert found.sum() == max(sizes, default=0)
    assert not (found & ~mask).any()
