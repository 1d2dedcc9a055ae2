"""Tells the head from what else a slice shows: the scanner's table, cables, burnt-in letters.

Works on a coarse grid. It neither scales nor crops.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.cells import Cells, Mask

GRID = 64  # cells along the longer side: some 4 mm in a usual field of view
_THIN = 1  # cells: what is not thicker than twice this plus one is table, cable or letter
_GROWTH = 5  # cells: thin parts, such as the nose, go on for so long
_APART = 3  # cells: bones of the face lie this near to the rest, within its bounding box
_ENCLOSED_SHARE = 0.9  # of the core: what has so much of it inside is no stray thing but the scalp
_INWARD = 8  # cells: so far a table or a letter is followed into that box
_SEAM = 2  # cells: twice this is a notch in the outline that counts as head
_MARGIN = 1  # cells of background that stay around the head


@dataclass(frozen=True)
class Head:
    """The part of a slice that holds the head, and which of its pixels belong to it."""

    rows: slice
    columns: slice
    mask: Mask


def find_head(foreground: Mask, spacing: tuple[float, float], gap: int) -> Head:
    """The largest solid thing of the foreground (H, W), with its holes and a narrow margin.

    `spacing` is the distance of rows and of columns; parts of the head may lie twice `gap` cells
    apart, as the brain and the scalp do in MR. A head that fills the frame is the frame; where
    there is no foreground, the frame stands for the head.
    """
    cell = cell_size(foreground.shape, spacing)
    grid = _grid(foreground, cell)
    mask = np.ones_like(grid)
    if grid.any():
        mask = _head_cells(Cells.of(grid), gap).dilated(_MARGIN).mask()
    (top, bottom), (left, right) = _span(mask.any(axis=1)), _span(mask.any(axis=0))
    height, width = foreground.shape
    rows = slice(top * cell[0], min(bottom * cell[0], height))
    columns = slice(left * cell[1], min(right * cell[1], width))
    # Whole rows are copied fast, so they are repeated when they have their length.
    fine = mask[top:bottom, left:right].repeat(cell[1], axis=1).repeat(cell[0], axis=0)
    return Head(rows, columns, fine[: rows.stop - rows.start, : columns.stop - columns.start])


def _grid(foreground: Mask, cell: tuple[int, int]) -> Mask:
    """Which cells are foreground at least by half; those at the ends may be narrower."""
    side = cell[0]
    is_even = cell[1] == side and not any(length % side for length in foreground.shape)
    if side in (2, 4, 8) and is_even and foreground.flags.c_contiguous:
        return _even_grid(foreground, side)
    picture = Image.fromarray(foreground.view(np.uint8) * np.uint8(255))
    return np.asarray(picture.reduce((cell[1], cell[0]))) > 127


def _even_grid(foreground: Mask, side: int) -> Mask:
    """The same of the usual pictures in a third of the time, `side` pixels as one whole number.

    Its bytes hold counts: added up over the lines of a cell, then with one another in the highest.
    """
    height, width = foreground.shape
    number = np.dtype(f"u{side}")
    lines = foreground.view(number).reshape(height // side, side, width // side)
    each_byte = number.type(int.from_bytes(b"\1" * side, "little"))
    counts = lines.sum(axis=1, dtype=number) * each_byte >> number.type(8 * (side - 1))
    grid: Mask = 2 * counts >= side * side
    return grid


def cell_size(shape: tuple[int, ...], spacing: tuple[float, float]) -> tuple[int, int]:
    """Pixels of a grid cell (down, across): square in space, not more than `GRID` on a side."""
    side = max(shape[0] * spacing[0], shape[1] * spacing[1]) / GRID
    # Without the tiny allowance 512 rows of 0.49 mm might need nine pixels a cell, not eight.
    down, across = (max(1, ceil(side / distance - 1e-6)) for distance in spacing)
    return down, across


@lru_cache(maxsize=2)  # a slice is asked about twice, mostly with the same cells
def _head_cells(grid: Cells, gap: int) -> Cells:
    """The cells of the head.

    Thin things go, gaps close, and the largest thing left is the core. Thin parts of the head come
    back: what is near or hangs together with the core, though not far along a cable or a table that
    it touches, and a scalp that goes round it. What lies between cells of the head on all four
    sides is head too.
    """
    solid = grid.opened(_THIN)
    core = (solid.closed(gap) if solid else grid).largest_component()
    head = (core | (grid & core.dilated(2 * gap - 2))).grown(grid | core, _GROWTH)
    ring = (grid - core) & core.dilated(2 * gap)
    if len(ring.surrounded() & core) > _ENCLOSED_SHARE * len(core):
        head |= ring
    head |= _islands(grid, head) & head.dilated(_APART)
    return head.closed(_SEAM).surrounded()


def _islands(grid: Cells, head: Cells) -> Cells:
    """What lies within the bounding box of the head, without what comes in from outside it."""
    outside = grid - _box_around(head)
    return grid - outside.grown(grid, _INWARD)


def _box_around(head: Cells) -> Cells:
    """The bounding box and a cell more on each side."""
    mask = head.mask()
    (top, bottom), (left, right) = _span(mask.any(axis=1)), _span(mask.any(axis=0))
    box = np.zeros_like(mask)
    box[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1] = True
    return Cells.of(box)


def _span(used: NDArray[np.generic] | np.generic) -> tuple[int, int]:
    places = np.flatnonzero(used)
    return int(places[0]), int(places[-1]) + 1
