from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from model.checkpoint import Checkpoint, load
from model.embedder import Embedder
from model.errors import EmbeddingError
from model.explanation.explainer import Explainer
from tests.unit.model import made


@pytest.fixture(scope="module", params=[False, True], ids=["as they are", "mirrored"])
def checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Checkpoint:
    plain = load(made.saved(tmp_path_factory.mktemp("weights"), made.network()))
    config = replace(plain.info.network, mirrored=request.param)
    return replace(plain, info=replace(plain.info, network=config))


@pytest.fixture(scope="module")
def explainer(checkpoint: Checkpoint) -> Explainer:
    return Explainer(checkpoint)


def test_it_explains_what_the_embedder_finds_alike(
    checkpoint: Checkpoint, explainer: Explainer
) -> None:
    pictures = made.slices(2)
    found = explainer.explain(*pictures)
    one, other = Embedder(checkpoint).coordinates(pictures)
    assert found.similarity == pytest.approx(float(one @ other), abs=1e-5)
    for side in (found.first, found.second):
        assert sum(side.scales) + side.constant == pytest.approx(found.similarity, abs=1e-5)
        assert side.heat.shape == (made.SIZE, made.SIZE)
        assert (side.heat.dtype, side.heat.max()) == (np.float32, 1)


def test_a_background_changes_the_heat_and_not_the_similarity(
    checkpoint: Checkpoint, explainer: Explainer
) -> None:
    pictures = made.slices(12)
    usual = Embedder(checkpoint).coordinates(pictures[2:]).mean(axis=0)
    without, against = explainer.explain(*pictures[:2]), explainer.explain(*pictures[:2], usual)
    assert against.similarity == without.similarity
    assert against.first.scales == without.first.scales
    assert np.abs(against.first.heat - without.first.heat).max() > 0.01


def test_threads_do_not_disturb_each_other(explainer: Explainer) -> None:
    pictures = made.slices(8)
    pairs = [(pictures[n], pictures[7 - n]) for n in range(8)]
    alone = [explainer.explain(*pair) for pair in pairs]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda pair: explainer.explain(*pair), pairs))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.first.heat, other.first.heat, atol=1e-5)
        assert one.similarity == pytest.approx(other.similarity, abs=1e-6)


def test_other_shapes_are_refused(explainer: Explainer) -> None:
    good, small = made.slices(1)[0], made.slices(1, side=8)[0]
    with pytest.raises(EmbeddingError, match=r"\(16, 16\), not \(8, 8\)"):
        explainer.explain(good, small)
    with pytest.raises(EmbeddingError, match="a background has 29 numbers"):
        explainer.explain(good, good, np.zeros(7, np.float32))


def test_nan_is_refused(explainer: Explainer) -> None:
    good = made.slices(1)[0]
    bad = good.copy()
    bad[3, 3] = np.nan
    with pytest.raises(EmbeddingError, match="NaN"):
        explainer.explain(bad, good)
