"""Which of several components counts."""

import numpy as np
from numpy.typing import NDArray

from model.cells import Cells


def largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return Cells.of(mask).largest_component().mask()


def test_the_largest_component_touches_by_edges() -> None:
    mask = np.array([[1, 1, 0, 0], [1, 0, 1, 1], [0, 0, 1, 1]], bool)

    expected = np.array([[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]], bool)
    np.testing.assert_array_equal(largest_component(mask), expected)
    np.testing.assert_array_equal(largest_component(mask[:, :2]), mask[:, :2])


def test_of_equal_components_the_first_is_the_largest() -> None:
    mask = np.array([[0, 1, 0, 1], [0, 1, 0, 1]], bool)

    np.testing.assert_array_equal(np.flatnonzero(largest_component(mask).any(axis=0)), [1])
