"""Points of a slice are found again in its prepared picture, and the other way round."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from model.placement import Placement
from model.preprocess import PreprocessConfig, prepare_placed

CONFIG = PreprocessConfig(size=96)
AXES = np.eye(3)
SIGNS = st.sampled_from([-1.0, 1.0])
COORDINATES = st.floats(-1e4, 1e4)


@st.composite
def orientations(draw: st.DrawFn) -> tuple[float, ...] | None:
    """None, or two of the patient's axes, either way round."""
    if draw(st.booleans()):
        return None
    first, second = draw(st.permutations(range(3)))[:2]
    return (*(draw(SIGNS) * AXES[first]), *(draw(SIGNS) * AXES[second]))


@st.composite
def heads(draw: st.DrawFn) -> tuple[NDArray[np.float32], tuple[float, float], tuple[int, int]]:
    """A dim ellipse with a bright dot in it, how far its rows and columns are apart, and
    where the dot is (x, y).
    """
    height, width = draw(st.integers(60, 200)), draw(st.integers(60, 200))
    spacing = draw(st.sampled_from([(1.0, 1.0), (2.0, 1.0), (0.5, 0.7)]))
    rows, columns = np.mgrid[:height, :width]
    middle = draw(st.integers(width * 2 // 5, width * 3 // 5)), height // 2
    inside = ((columns - middle[0]) / (width * 0.35)) ** 2 + (
        (rows - middle[1]) / (height * 0.4)
    ) ** 2 < 1
    image = np.where(inside, np.float32(400), np.float32(0)).astype(np.float32)
    x = middle[0] + draw(st.integers(-width // 6, width // 6))
    y = middle[1] + draw(st.integers(-height // 6, height // 6))
    half = min(height, width) // 16
    image[y - half : y + half + 1, x - half : x + half + 1] = 1000
    return image, spacing, (x, y)


@settings(deadline=None)
@given(heads(), orientations(), st.sampled_from(["MR", "OT", "CT"]))
def test_a_bright_dot_is_found_where_the_placement_says(
    head: tuple[NDArray[np.float32], tuple[float, float], tuple[int, int]],
    orientation: tuple[float, ...] | None,
    modality: str,
) -> None:
    pixels, spacing, dot = head
    values = pixels * 0.08 if modality == "CT" else pixels

    picture, placement = prepare_placed(
        values, modality=modality, config=CONFIG, orientation=orientation, spacing=spacing
    )

    rows, columns = np.nonzero(picture >= picture.max() - 0.02)
    expected = placement.to_prepared([dot])[0]
    assert np.hypot(columns.mean() - expected[0], rows.mean() - expected[1]) < 1.5
    assert (np.abs(placement.to_source([[columns.mean(), rows.mean()]])[0] - dot) < 4).all()


@settings(deadline=None)
@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=60),
        elements=st.floats(-2000, 3000, width=32),
    ),
    orientations(),
    hnp.arrays(np.float64, st.tuples(st.integers(0, 5), st.just(2)), elements=COORDINATES),
)
def test_there_and_back_is_where_one_began(
    pixels: NDArray[np.float32],
    orientation: tuple[float, ...] | None,
    points: NDArray[np.float64],
) -> None:
    _, placement = prepare_placed(pixels, modality="MR", config=CONFIG, orientation=orientation)

    back = placement.to_source(placement.to_prepared(points))

    assert back.shape == points.shape
    np.testing.assert_allclose(back, points, atol=1e-6)


@settings(deadline=None)
@given(heads(), orientations())
def test_every_pixel_of_the_head_lies_in_the_picture_in_its_proportions(
    head: tuple[NDArray[np.float32], tuple[float, float], tuple[int, int]],
    orientation: tuple[float, ...] | None,
) -> None:
    pixels, spacing, _ = head

    picture, placement = prepare_placed(
        pixels, modality="MR", config=CONFIG, orientation=orientation, spacing=spacing
    )

    rows, columns = np.nonzero(pixels)
    places = placement.to_prepared(np.stack([columns, rows], axis=1))
    # A line with less than a fiftieth of its length in the head may be cut off.
    assert places.min() > -3
    assert places.max() < CONFIG.size + 2
    stretched = np.abs(np.array(placement.linear)).sum(axis=0) / spacing[::-1]
    # Both sides of the head become whole pixels.
    assert abs(stretched[0] - stretched[1]) * np.ptp(columns) * spacing[1] < 2
    assert picture.max() > 0.9


@given(
    st.tuples(*[st.floats(0, 100)] * 4),
    st.sampled_from([((2.0, 0.0), (0.0, 3.0)), ((0.0, -2.0), (1.5, 0.0))]),
)
def test_a_box_stays_a_box_around_the_same_points(
    numbers: tuple[float, float, float, float], linear: tuple[tuple[float, float], ...]
) -> None:
    placement = Placement((linear[0], linear[1]), (5.0, -7.0))
    x, y = sorted(numbers[:2]), sorted(numbers[2:])

    left, top, right, bottom = placement.box_to_prepared((x[0], y[0], x[1], y[1]))

    assert left <= right
    assert top <= bottom
    corners = placement.to_prepared([[a, b] for a in x for b in y])
    np.testing.assert_allclose(corners.min(axis=0), [left, top])
    np.testing.assert_allclose(corners.max(axis=0), [right, bottom])
