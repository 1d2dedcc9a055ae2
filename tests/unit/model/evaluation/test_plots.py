"""Plots are written where they may be, and show what they should."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.dataset import Dataset
from model.errors import EvaluationError
from model.evaluation.compare import evaluate_splits
from model.evaluation.facts import Slices
from model.evaluation.folds import Folds
from model.evaluation.plots.folder import open_folder, write_all
from model.evaluation.plots.projection import principal_components, t_sne
from model.evaluation.protocols import splits
from tests.unit.model.evaluation.drawn import vectors
from tests.unit.model.made import dataset


def folded(count: int) -> Dataset:
    return replace(
        dataset(count),
        groups=np.arange(count, dtype=np.int64),
        group_names=tuple(map(str, range(count))),
        folds=np.arange(count, dtype=np.int64) // 2 % 2 + 1,
    )


def test_all_plots_of_an_evaluation(tmp_path: Path) -> None:
    made = folded(24)
    facts, places = Slices.of(made), vectors(made.labels.tolist(), 0.5)
    folds = Folds((2,), (1,), ())
    chosen = [*splits("folds", facts, folds), *splits("unseen", facts, folds)]
    reports = evaluate_splits(chosen, facts, places, "made", resamples=0)
    drawn: list[int] = []

    write_all(tmp_path / "plots", reports, chosen, made, places, lambda: drawn.append(1))

    names = {path.name for path in (tmp_path / "plots").iterdir()}
    kinds = ("best", "curves", "first-neighbour", "map", "worst")
    assert names == {
        *(f"folds-all-labels-{kind}.png" for kind in kinds),
        "unseen-all-labels-curves.png",
        "unseen-all-labels-first-neighbour.png",
    }
    assert len(drawn) == 2
    for name in names:
        assert (tmp_path / "plots" / name).stat().st_mode & 0o777 == 0o600
        with Image.open(tmp_path / "plots" / name) as picture:
            pixels = np.asarray(picture.convert("L"))
        assert min(pixels.shape) > 200
        assert pixels.std() > 5


def test_the_folder_is_seen_to_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "work" / ".git").mkdir(parents=True)

    open_folder(tmp_path / "new" / "plots")

    assert (tmp_path / "new" / "plots").stat().st_mode & 0o777 == 0o700
    with pytest.raises(EvaluationError, match="no folder for plots"):
        open_folder(tmp_path / "file" / "plots")
    with pytest.raises(EvaluationError, match="not written into a repository"):
        open_folder(tmp_path / "work" / "plots")
    assert not (tmp_path / "work" / "plots").exists()


def test_without_matplotlib_it_is_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)

    with pytest.raises(EvaluationError, match="need matplotlib"):
        open_folder(tmp_path / "plots")


def test_the_map_keeps_clusters_together() -> None:
    labels = [n % 3 for n in range(90)]

    places = t_sne(vectors(labels, 0.1), perplexity=10, steps=200)

    apart = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (np.array(labels)[apart.argmin(axis=1)] == np.array(labels)).all()
    np.testing.assert_array_equal(places, t_sne(vectors(labels, 0.1), perplexity=10, steps=200))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_few_or_equal_vectors_still_have_a_place(count: int) -> None:
    for made in (np.ones((count, 3)), np.eye(5)[:count]):
        places = t_sne(made, steps=20)
        assert places.shape == (count, 2)
        assert np.isfinite(places).all()


def test_principal_components_keep_distances_of_flat_data() -> None:
    random = np.random.default_rng(1)
    flat = random.normal(size=(20, 2)) @ random.normal(size=(2, 9))

    found = principal_components(flat, 2)

    for points in (flat, found):
        assert points.shape[0] == 20
    np.testing.assert_allclose(
        np.linalg.norm(found[0] - found, axis=1), np.linalg.norm(flat[0] - flat, axis=1)
    )
