import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.encoders.principal import turned_to_principal
from tests.support.encoders import made_encoder, unit

HELD = 5


def made(seed: int, dimension: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A basis, and embeddings that vary most along a few directions of its space."""
    random = np.random.default_rng(seed)
    basis = made_encoder(seed + 1, dimension).basis
    inner = random.normal(size=(40, HELD)) @ random.normal(size=(HELD, dimension))
    return basis, unit(inner + 0.1 * random.normal(size=inner.shape)) @ basis.T


@pytest.mark.parametrize("dimension", [12, 60])
def test_the_leading_coordinates_tell_most_and_distances_stay(dimension: int) -> None:
    basis, embeddings = made(1, dimension)
    turned = turned_to_principal(basis, embeddings)
    assert turned.shape == basis.shape
    assert np.allclose(turned.T @ turned, np.eye(dimension), atol=1e-5)
    before, after = embeddings @ basis, embeddings @ turned
    assert np.allclose(after @ turned.T, embeddings, atol=1e-5), "nothing is lost"
    apart, as_far = (np.linalg.norm(found - found[0], axis=1) for found in (before, after))
    assert np.allclose(apart, as_far, atol=1e-5)
    varies = after.var(axis=0)
    assert np.all(np.diff(varies) < 1e-6)
    assert varies[:HELD].sum() > 0.9 * varies.sum() > before.var(axis=0)[:HELD].sum()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 50), held=st.integers(1, 12))
def test_leading_coordinates_alone_are_never_farther_apart(seed: int, held: int) -> None:
    basis, embeddings = made(seed, 12)
    coordinates = embeddings @ turned_to_principal(basis, embeddings)
    whole = np.linalg.norm(coordinates[:, None] - coordinates, axis=2)
    part = np.linalg.norm(coordinates[:, None, :held] - coordinates[:, :held], axis=2)
    assert np.all(part <= whole + 1e-6)
