"""What an explanation says, as plain numbers and a picture; for the API and the command alike.

Here it is put together from heat; the heat is computed where torch is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.explanation.overlay import heat_in_source, side_by_side
from service.showing import ShownSlice

GRID = 32  # cells a side: some 7 mm of a head, finer than the heat itself is

Heat = NDArray[np.float32]


@dataclass(frozen=True)
class SliceSide:
    """One slice's side: `heat` are `GRID` rows of as many cells over the whole source slice, 0..1.

    `hottest` is (x, y) in pixels of the source. `scales` are what the features of the original, 1/2
    and 1/4 scale add to the similarity, `constant` what every slice has; they sum to it.
    """

    rows: int
    columns: int
    heat: list[list[float]]
    hottest: tuple[float, float]
    scales: tuple[float, float, float]
    constant: float


@dataclass(frozen=True)
class Explained:
    """A pair, explained; `png` shows both slices side by side with heat over them."""

    encoder: str
    similarity: float
    first: SliceSide
    second: SliceSide
    png: bytes


def slice_side(
    shown: ShownSlice, heat: Heat, scales: tuple[float, float, float], constant: float
) -> tuple[SliceSide, Heat]:
    """One side, and its heat over the source slice; `heat` (S, S) is over the prepared picture."""
    rows, columns = shown.grey.shape
    moved = heat_in_source(heat, shown.placement, (rows, columns))
    y, x = np.unravel_index(int(np.argmax(heat)), heat.shape)
    point = shown.placement.to_source(np.array([[x, y]]))[0]
    cells = Image.fromarray(moved).resize((GRID, GRID), Image.Resampling.BOX)
    grid = np.round(np.asarray(cells, np.float64), 3)
    side = SliceSide(
        rows=rows,
        columns=columns,
        heat=grid.tolist(),
        hottest=(
            round(float(np.clip(point[0], 0, columns - 1)), 1),
            round(float(np.clip(point[1], 0, rows - 1)), 1),
        ),
        scales=scales,
        constant=constant,
    )
    return side, moved


def drawn(slices: Sequence[tuple[ShownSlice, Heat]]) -> bytes:
    """Slices with heat over the source, side by side as a PNG."""
    data = BytesIO()
    side_by_side([(shown.grey, heat) for shown, heat in slices]).save(data, "PNG")
    return data.getvalue()
