"""Where a point of a slice lies in its prepared picture, and back. Knows nothing of pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Placement:
    """The affine map from a source slice to its prepared picture: turn, crop, scale and padding.

    Points are (x right, y down) with the centres of pixels at integers. A point (x, y) of the
    source lies at `linear` @ (x, y) + `offset` in the picture.
    """

    linear: tuple[tuple[float, float], tuple[float, float]]
    offset: tuple[float, float]

    def to_prepared(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (N, 2) of the source slice, in the prepared picture (N, 2)."""
        moved: NDArray[np.float64] = np.asarray(points, np.float64) @ self._matrix().T + self.offset
        return moved

    def to_source(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (N, 2) of the prepared picture, in the source slice (N, 2)."""
        moved = np.asarray(points, np.float64) - self.offset
        back: NDArray[np.float64] = moved @ np.linalg.inv(self._matrix()).T
        return back

    def box_to_prepared(self, box: Box) -> Box:
        """A box (left, top, right, bottom) of the source slice, in the prepared picture."""
        corners = self.to_prepared(np.reshape(box, (2, 2)))
        (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
        return float(left), float(top), float(right), float(bottom)

    def _matrix(self) -> NDArray[np.float64]:
        return np.array(self.linear, np.float64)
