"""Turned coordinates: nothing is lost, and the leading ones tell most."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.turning import leading_directions, turn_of
from tests.support.encoders import unit

HELD = 5


def made(seed: int, dimension: int) -> NDArray[np.float32]:
    """Coordinates that vary most along a few directions."""
    random = np.random.default_rng(seed)
    inner = random.normal(size=(40, HELD)) @ random.normal(size=(HELD, dimension))
    return unit(inner + 0.1 * random.normal(size=inner.shape))


@pytest.mark.parametrize("dimension", [12, 60])
def test_the_leading_coordinates_tell_most_and_distances_stay(dimension: int) -> None:
    before = made(1, dimension)
    directions = leading_directions(before, HELD)
    turn = turn_of(directions)
    assert directions.shape == (dimension, HELD)
    assert np.allclose(turn[:, :HELD], directions, atol=1e-6)
    assert np.allclose(turn @ turn.T, np.eye(dimension), atol=1e-12)
    after = before @ turn
    apart, as_far = (np.linalg.norm(found - found[0], axis=1) for found in (before, after))
    assert np.allclose(apart, as_far, atol=1e-5)
    varies = after.var(axis=0)
    assert varies[:HELD].sum() > 0.9 * varies.sum() > before.var(axis=0)[:HELD].sum()


def test_they_are_the_principal_directions() -> None:
    coordinates = made(2, 30)
    centred = coordinates - coordinates.mean(axis=0)
    largest = (np.linalg.svd(centred, compute_uv=False)[:HELD] ** 2).sum()
    leading = centred @ turn_of(leading_directions(coordinates, HELD))[:, :HELD]
    assert (leading**2).sum() == pytest.approx(largest, rel=1e-4)


def test_a_small_sample_tells_fewer_directions() -> None:
    few = leading_directions(made(3, 12)[:4])
    assert few.shape == (12, 3)
    turn = turn_of(few)
    assert np.allclose(turn @ turn.T, np.eye(12), atol=1e-12)


def test_directions_that_were_rounded_still_turn() -> None:
    rounded = leading_directions(made(4, 60), HELD).astype(np.float16).astype(np.float32)
    turn = turn_of(rounded)
    assert np.allclose(turn @ turn.T, np.eye(60), atol=1e-12)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 50), held=st.integers(1, 11))
def test_leading_coordinates_alone_are_never_farther_apart(seed: int, held: int) -> None:
    before = made(seed, 12)
    coordinates = before @ turn_of(leading_directions(before, held))
    whole = np.linalg.norm(coordinates[:, None] - coordinates, axis=2)
    part = np.linalg.norm(coordinates[:, None, :held] - coordinates[:, :held], axis=2)
    assert np.all(part <= whole + 1e-6)
