"""What an explanation says, as plain numbers and a picture; for the API and the command alike.

Here it is put together from heat; the heat is computed where torch is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from model.explanation.overlay import heat_in_source, side_by_side
from service.showing import ShownSlice

GRID = 32  # cells a side: some 7 mm of a head, finer than the heat itself is
_SAMPLES = 8  # a side, of which a cell is the mean

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
    """A pair, explained; `png` shows both slices with heat over them, None if it was not wanted."""

    encoder: str
    similarity: float
    first: SliceSide
    second: SliceSide
    png: bytes | None


def slice_side(
    shown: ShownSlice, heat: Heat, scales: tuple[float, float, float], constant: float
) -> SliceSide:
    """One side; `heat` (S, S) is over the prepared picture."""
    rows, columns = shown.shape
    y, x = np.unravel_index(int(np.argmax(heat)), heat.shape)
    point = shown.placement.to_source(np.array([[x, y]]))[0]
    return SliceSide(
        rows=rows,
        columns=columns,
        heat=_cells(shown, heat),
        hottest=(
            round(float(np.clip(point[0], 0, columns - 1)), 1),
            round(float(np.clip(point[1], 0, rows - 1)), 1),
        ),
        scales=scales,
        constant=constant,
    )


def _cells(shown: ShownSlice, heat: Heat) -> list[list[float]]:
    """`GRID` rows of as many means over the source slice."""
    samples = heat_in_source(heat, shown.placement, shown.shape, (GRID * _SAMPLES, GRID * _SAMPLES))
    cells = samples.reshape(GRID, _SAMPLES, GRID, _SAMPLES).mean(axis=(1, 3), dtype=np.float64)
    found: list[list[float]] = np.round(cells, 3).tolist()
    return found


def drawn(slices: Sequence[tuple[ShownSlice, Heat]]) -> bytes:
    """Slices with heat over them, side by side as a PNG; heat (S, S) is over the prepared ones."""
    panels = [
        (shown.grey, heat_in_source(heat, shown.placement, shown.shape, shown.grey.shape))
        for shown, heat in slices
    ]
    data = BytesIO()
    side_by_side(panels).save(data, "PNG")
    return data.getvalue()
