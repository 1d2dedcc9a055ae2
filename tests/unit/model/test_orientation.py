"""Slices are turned as radiologists look at them, and by nothing but flips and quarter turns."""

import numpy as np
import pytest

from model.orientation import IDENTITY, Turn, display_turn

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
LEFT, BACK, HEAD = np.eye(3)
# By the slice's normal: what points right and what points down on a radiologist's screen.
SCREEN = {"axial": (LEFT, BACK), "coronal": (LEFT, -HEAD), "sagittal": (BACK, -HEAD)}


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL, None])
def test_what_is_shown_as_usual_stays_as_it_is(orientation: tuple[float, ...] | None) -> None:
    assert display_turn(orientation) == IDENTITY


@pytest.mark.parametrize("plane", SCREEN)
@pytest.mark.parametrize("number", range(8))
def test_every_other_way_to_store_a_plane_is_turned_to_the_usual_one(
    plane: str, number: int
) -> None:
    right, down = SCREEN[plane]
    across, along = (right, down) if number < 4 else (down, right)
    across = across if number % 2 else -across
    along = along if number // 2 % 2 else -along
    # The brightness of a pixel says how far right, then how far down in the patient it lies.
    rows, columns = np.mgrid[:3, :4]
    place = rows[..., None] * along + columns[..., None] * across
    pixels = (place @ right * 10 + place @ down).astype(np.float32)

    turned = display_turn((*across, *along)).apply(pixels)

    assert (np.diff(turned, axis=1) == 10).all()
    assert (np.diff(turned, axis=0) == 1).all()


@pytest.mark.parametrize("tilt", [-40, -20, 20, 40])
def test_an_oblique_slice_takes_the_nearest_turn(tilt: float) -> None:
    cosine, sine = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))

    assert display_turn((1, 0, 0, 0, cosine, sine)) == IDENTITY
    assert display_turn((cosine, sine, 0, -sine, cosine, 0)) == IDENTITY
    assert display_turn((-1, 0, 0, 0, cosine, sine)) == Turn(flip_x=True)


def test_halfway_between_two_turns_it_stays() -> None:
    half = float(np.sqrt(0.5))

    assert display_turn((half, half, 0, -half, half, 0)) == IDENTITY


@pytest.mark.parametrize(
    "orientation",
    [
        (),
        (-1.0, 0.0, 0.0),
        (0.0,) * 6,
        (-1.0, 0.0, 0.0, -1.0, 0.0, 0.0),
        (-2.0, 0.0, 0.0, 0.0, -2.0, 0.0),
        (-1.0, 0.0, 0.0, 0.0, -1.0, float("nan")),
        (float("-inf"), 0.0, 0.0, 0.0, -1.0, 0.0),
        (-1e300, 0.0, 0.0, 0.0, -1e300, 0.0),
        (-1.0, 0.1, 0.0, 0.0, -1.0, 0.0),
    ],
)
def test_what_is_no_orientation_turns_nothing(orientation: tuple[float, ...]) -> None:
    assert display_turn(orientation) == IDENTITY


def test_cosines_may_be_rounded() -> None:
    assert display_turn((-0.999, 0.01, 0, -0.01, -0.999, 0.002)) == Turn(flip_x=True, flip_y=True)


@pytest.mark.parametrize("number", range(8))
def test_a_turn_says_where_the_pixels_go(number: int) -> None:
    turn = Turn(bool(number & 4), bool(number & 2), bool(number & 1))
    pixels = np.arange(6, dtype=np.float32).reshape(2, 3)
    turned = turn.apply(pixels)

    for y, x in np.ndindex(pixels.shape):
        column, row = (turn.linear() @ (x, y) + turn.offset(pixels.shape)).astype(int)
        assert turned[row, column] == pixels[y, x]
