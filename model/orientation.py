"""How a slice must be turned to be seen as radiologists see it. It never resamples.

Axial: anterior up, the patient's right on the left. Coronal: head up, the patient's right on the
left. Sagittal: head up, anterior on the left.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TOLERANCE = 0.02  # cosines come as rounded decimals
# By the axis that is closest to the slice's normal, in the patient's coordinates (x to the left,
# y to the back, z to the head; DICOM PS3.3 C.7.6.2.1.1): what points right and what points down.
_RIGHT = np.array([[0, 1, 0], [1, 0, 0], [1, 0, 0]], float)
_DOWN = np.array([[0, 0, -1], [0, 0, -1], [0, 1, 0]], float)


@dataclass(frozen=True)
class Turn:
    """One of the eight flips and quarter turns: transpose first, then flip."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def apply(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """The slice (H, W) turned: a view, (W, H) where it is transposed."""
        turned = pixels.T if self.transpose else pixels
        return turned[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]

    def linear(self) -> NDArray[np.float64]:
        """The 2 x 2 matrix that turns directions (x right, y down)."""
        signs = np.diag([-1.0 if self.flip_x else 1.0, -1.0 if self.flip_y else 1.0])
        return signs[:, ::-1] if self.transpose else signs

    def offset(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Where the first pixel of a slice (H, W) lies (x, y) once it is turned."""
        height, width = shape[::-1] if self.transpose else shape
        return np.array([width - 1.0 if self.flip_x else 0.0, height - 1.0 if self.flip_y else 0.0])


IDENTITY = Turn()
_TURNS = tuple(Turn(t, x, y) for t in (False, True) for y in (False, True) for x in (False, True))


def display_turn(orientation: Sequence[float] | None) -> Turn:
    """The turn that comes nearest to the display convention.

    `orientation` is Image Orientation (Patient): the cosines of the direction along a row, then of
    that along a column. Without them, or where they are no two unit vectors at a right angle, the
    slice stays as it is.
    """
    directions = _directions(orientation)
    if directions is None:
        return IDENTITY
    axis = int(np.argmax(np.abs(np.cross(*directions))))
    # cosines[i, j]: how far the slice's x (0) or y (1) points right (0) or down (1) when displayed
    cosines = directions @ np.stack([_RIGHT[axis], _DOWN[axis]]).T
    # Rounding keeps the earlier turn where two are equally near, such as at 45 degrees.
    return max(_TURNS, key=lambda turn: round(float(np.sum(turn.linear().T * cosines)), 3))


def _directions(orientation: Sequence[float] | None) -> NDArray[np.float64] | None:
    """Two orthonormal rows, or None."""
    if orientation is None or len(orientation) != 6:
        return None
    directions = np.array(orientation, np.float64).reshape(2, 3)
    if not np.isfinite(directions).all() or np.abs(directions).max() > 1 + _TOLERANCE:
        return None
    is_orthonormal = np.allclose(directions @ directions.T, np.eye(2), rtol=0, atol=_TOLERANCE)
    return directions if is_orthonormal else None
