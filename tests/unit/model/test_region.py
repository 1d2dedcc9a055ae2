"""Regions of slices, embedded by a network small enough for a test."""

from pathlib import Path

import numpy as np
import pytest

from model.checkpoint import Checkpoint, load
from model.embedder import Embedder
from model.errors import EmbeddingError
from model.region import RegionEmbedder
from tests.support.encoders import tiny_checkpoint

SIZE = 32


@pytest.fixture(scope="module", params=[False, True], ids=["as they are", "mirrored"])
def checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Checkpoint:
    return load(tiny_checkpoint(tmp_path_factory.mktemp("weights"), mirrored=request.param))


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(1).random((SIZE, SIZE)).astype(np.float32)


@pytest.mark.parametrize("box", [(0, 0, SIZE, SIZE), (-9, -5, SIZE + 3, 1e6)])
def test_the_box_of_everything_is_the_slice(
    checkpoint: Checkpoint, picture: np.ndarray, box: tuple[float, float, float, float]
) -> None:
    whole = Embedder(checkpoint).coordinates(picture[None])[0]
    found = RegionEmbedder(checkpoint).coordinates(picture, box)
    np.testing.assert_allclose(found, whole, atol=1e-5)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)


def test_what_is_far_from_a_region_has_no_part_in_it(
    checkpoint: Checkpoint, picture: np.ndarray
) -> None:
    embedder = RegionEmbedder(checkpoint)
    changed = picture.copy()
    changed[-2:, -2:] = 1 - changed[-2:, -2:]
    near, far = (16, 16, 32, 32), (0, 0, 4, 4)
    moved = [
        np.linalg.norm(embedder.coordinates(picture, box) - embedder.coordinates(changed, box))
        for box in (near, far)
    ]
    assert moved[0] > 1e-3
    assert moved[1] < 0.2 * moved[0]


@pytest.mark.parametrize("box", [(5.0, 5.0, 5.5, 5.5), (31.5, 31.5, 40, 40), (0, 0, 0.1, 32)])
def test_a_region_may_be_tiny_or_at_the_edge(
    checkpoint: Checkpoint, picture: np.ndarray, box: tuple[float, float, float, float]
) -> None:
    found = RegionEmbedder(checkpoint).coordinates(picture, box)
    assert np.isfinite(found).all()
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "box", [(32, 0, 40, 9), (0, 32, 9, 40), (-9, 0, 0, 9), (0, -9, 9, 0), (np.nan, 0, 9, 9)]
)
def test_a_region_outside_is_refused(
    checkpoint: Checkpoint, picture: np.ndarray, box: tuple[float, float, float, float]
) -> None:
    with pytest.raises(EmbeddingError, match="outside"):
        RegionEmbedder(checkpoint).coordinates(picture, box)


def test_what_is_no_prepared_slice_is_refused(
    checkpoint: Checkpoint, picture: np.ndarray, tmp_path: Path
) -> None:
    embedder = RegionEmbedder(checkpoint)
    with pytest.raises(EmbeddingError):
        embedder.coordinates(picture[:16], (0, 0, 9, 9))
    picture[0, 0] = np.nan
    with pytest.raises(EmbeddingError):
        embedder.coordinates(picture, (0, 0, 9, 9))
