"""Tells the head from what else a slice shows: the scanner's table, cables, burnt-in letters.

Works on a coarse grid, where morphology is quick. It neither scales nor crops.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GRID = 64  # cells along the longer side: some 4 mm in a usual field of view
_THIN = 1  # cells: what is not thicker than twice this plus one is table, cable or letter
_GROWTH = 5  # cells: thin parts, such as the nose, go on for so long
_APART = 3  # cells: bones of the face lie this near to the rest, within its bounding box
_ENCLOSED_SHARE = 0.9  # of the core: what has so much of it inside is no stray thing but the scalp
_INWARD = 8  # cells: so far a table or a letter is followed into that box
_SEAM = 2  # cells: twice this is a notch in the outline that counts as head
_MARGIN = 1  # cells of background that stay around the head

Mask = NDArray[np.bool_]


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
    picture = Image.fromarray(foreground.view(np.uint8) * np.uint8(255))
    grid = np.asarray(picture.reduce((cell[1], cell[0]))) > 127
    mask = _dilated(_head_cells(grid, gap), _MARGIN) if grid.any() else np.ones_like(grid)
    (top, bottom), (left, right) = _span(mask.any(axis=1)), _span(mask.any(axis=0))
    height, width = foreground.shape
    rows = slice(top * cell[0], min(bottom * cell[0], height))
    columns = slice(left * cell[1], min(right * cell[1], width))
    fine = mask[top:bottom, left:right].repeat(cell[0], axis=0).repeat(cell[1], axis=1)
    return Head(rows, columns, fine[: rows.stop - rows.start, : columns.stop - columns.start])


def cell_size(shape: tuple[int, ...], spacing: tuple[float, float]) -> tuple[int, int]:
    """Pixels of a grid cell (down, across): square in space, not more than `GRID` on a side."""
    side = max(shape[0] * spacing[0], shape[1] * spacing[1]) / GRID
    # Without the tiny allowance 512 rows of 0.49 mm might need nine pixels a cell, not eight.
    down, across = (max(1, ceil(side / distance - 1e-6)) for distance in spacing)
    return down, across


def _head_cells(grid: Mask, gap: int) -> Mask:
    """The cells of the head.

    Thin things go, gaps close, and the largest thing left is the core. Thin parts of the head come
    back: what is near or hangs together with the core, though not far along a cable or a table that
    it touches, and a scalp that goes round it. What lies between cells of the head on all four
    sides is head too.
    """
    solid = _opened(grid, _THIN)
    core = largest_component(_closed(solid, gap)) if solid.any() else largest_component(grid)
    head = _grown(core | (grid & _dilated(core, 2 * gap - 2)), grid | core, _GROWTH)
    ring = grid & ~core & _dilated(core, 2 * gap)
    if np.mean(_surrounded(ring)[core]) > _ENCLOSED_SHARE:
        head |= ring
    head |= _islands(grid, head) & _dilated(head, _APART)
    return _surrounded(_closed(head, _SEAM))


def _islands(grid: Mask, head: Mask) -> Mask:
    """What lies within the bounding box of the head, without what comes in from outside it."""
    box = _box_around(head)
    outside = grid & ~box
    return grid & ~_grown(outside, grid, _INWARD)


def _box_around(mask: Mask) -> Mask:
    """The bounding box and a cell more on each side."""
    (top, bottom), (left, right) = _span(mask.any(axis=1)), _span(mask.any(axis=0))
    box = np.zeros_like(mask)
    box[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1] = True
    return box


def _grown(mask: Mask, grid: Mask, steps: int) -> Mask:
    """The mask and the cells of the grid that hang together with it by their edges."""
    grown = mask.copy()
    for _ in range(steps):
        before = grown.copy()
        grown[1:] |= before[:-1]
        grown[:-1] |= before[1:]
        grown[:, 1:] |= before[:, :-1]
        grown[:, :-1] |= before[:, 1:]
        grown &= grid
    return grown


def _dilated(mask: Mask, cells: int) -> Mask:
    """Every cell with one of the mask in the square of so many cells around it."""
    tall = mask.copy()
    for step in range(1, cells + 1):
        tall[step:] |= mask[:-step]
        tall[:-step] |= mask[step:]
    wide = tall.copy()
    for step in range(1, cells + 1):
        wide[:, step:] |= tall[:, :-step]
        wide[:, :-step] |= tall[:, step:]
    return wide


def _eroded(mask: Mask, cells: int) -> Mask:
    """Eroded from within only: the frame's edge takes nothing off a head that goes on beyond it."""
    return ~_dilated(~mask, cells)


def _opened(mask: Mask, cells: int) -> Mask:
    """Here the frame's edge does count, or the end of a table that leaves the frame were thick."""
    eroded = _eroded(np.pad(mask, cells), cells)[cells:-cells, cells:-cells]
    return _dilated(eroded, cells)


def _closed(mask: Mask, cells: int) -> Mask:
    return _eroded(_dilated(mask, cells), cells)


def _surrounded(mask: Mask) -> Mask:
    """Cells with a cell of the mask, or one of their own, in each of the four directions."""
    above, left = (np.logical_or.accumulate(mask, axis=axis) for axis in (0, 1))
    below, right = (
        np.flip(np.logical_or.accumulate(np.flip(mask, axis), axis=axis), axis) for axis in (0, 1)
    )
    surrounded: Mask = above & below & left & right
    return surrounded


def _span(used: NDArray[np.generic] | np.generic) -> tuple[int, int]:
    places = np.flatnonzero(used)
    return int(places[0]), int(places[-1]) + 1


def largest_component(mask: Mask) -> Mask:
    """The largest set of cells that touch by an edge; of equal ones the first in reading order.

    Runs within a row are numbered, then runs that touch across rows are joined.
    """
    starts = mask.copy()
    starts[:, 1:] &= ~mask[:, :-1]
    numbers = starts.ravel().cumsum().reshape(mask.shape) - 1
    both = mask[1:] & mask[:-1]
    runs = int(starts.sum())
    parents = list(range(runs))
    for pair in np.unique(numbers[:-1][both] * runs + numbers[1:][both]).tolist():
        upper, lower = divmod(pair, runs)
        first, second = sorted((_root(parents, upper), _root(parents, lower)))
        parents[second] = first
    roots = np.array([_root(parents, run) for run in range(runs)], np.int64)
    if roots.size == 0:
        return mask
    components = roots[numbers.clip(0)]
    largest: Mask = components == np.argmax(np.bincount(components[mask]))
    return largest & mask


def _root(parents: list[int], run: int) -> int:
    while parents[run] != run:
        parents[run] = parents[parents[run]]
        run = parents[run]
    return run
