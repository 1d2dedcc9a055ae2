"""A trained encoder takes the place of the one that ships, with figures, and half as large."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model import checkpoint
from model.dataset import Dataset
from service.installing import install_encoder, measure, shipped_folder
from service.training import TrainingSets
from tests.unit.model.made import dataset, network, saved
from tests.unit.model.training.runs import train
from tests.unit.model.training.settings import QUICK


def with_modalities(part: Dataset) -> Dataset:
    """A third label, of CT; the first two are MR."""
    labels = np.where(np.arange(len(part)) % 4 == 3, 2, part.labels)
    return replace(
        part,
        labels=labels,
        label_names=("dark", "bright", "bleed"),
        modalities=np.where(labels == 2, "CT", "MR"),
    )


@pytest.fixture(scope="module")
def sets() -> TrainingSets:
    return TrainingSets(with_modalities(dataset(64, 1)), with_modalities(dataset(32, 2)))


@pytest.fixture(scope="module")
def trained(sets: TrainingSets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = replace(QUICK, schedule=replace(QUICK.schedule, epochs=2))
    folder = tmp_path_factory.mktemp("trained")
    return train(config, sets.training, sets.validation, folder, lambda _: None)


def test_it_replaces_the_one_before_and_says_how_good_it_is(
    sets: TrainingSets, trained: Path, tmp_path: Path
) -> None:
    before = saved(tmp_path / "dev", network())
    path = install_encoder("dev", sets, trained, tmp_path)
    made, found = checkpoint.load(trained), checkpoint.load(path)

    assert not before.exists()
    assert list(path.parent.iterdir()) == [path]
    assert found.info.metrics["mr_macro_average_precision"] > 0.5
    assert {name.split("_macro_")[0] for name in found.info.metrics if "_macro_n" in name} == {
        "all",
        "mr",
    }
    assert found.info.metrics["validation_macro_map"] == pytest.approx(
        found.info.metrics["all_macro_average_precision"], abs=0.01
    )
    assert found.info.trained_on == made.info.trained_on
    assert path.stat().st_size < 0.75 * trained.stat().st_size


def test_weights_that_rounding_would_hurt_keep_their_precision(
    sets: TrainingSets, trained: Path, tmp_path: Path
) -> None:
    made = checkpoint.load(trained)
    weights = {**made.weights, "embedding.weight": made.weights["embedding.weight"] * 1e6}
    large = checkpoint.save(tmp_path / "large", weights, made.info)
    path = install_encoder("default", replace(sets, validation=None), large, tmp_path)

    np.testing.assert_array_equal(
        checkpoint.load(path).weights["embedding.weight"], weights["embedding.weight"]
    )
    assert "all_macro_average_precision" not in checkpoint.load(path).info.metrics


def test_figures_are_those_of_the_checkpoint_in_the_file(
    sets: TrainingSets, trained: Path, tmp_path: Path
) -> None:
    path = install_encoder("dev", sets, trained, tmp_path)
    found = checkpoint.load(path)
    assert sets.validation is not None
    figures = measure(found, sets.training, sets.validation)

    for name, value in figures.items():
        assert found.info.metrics[name] == pytest.approx(value, abs=0.005), name


def test_the_encoders_that_ship_lie_in_the_package() -> None:
    assert shipped_folder() == Path(checkpoint.__file__).parent / "weights"
