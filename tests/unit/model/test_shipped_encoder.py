"""The two shipped encoders keep what the model card promises."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from model.checkpoint import (
    ShippedName,
    checkpoint_named,
    default_checkpoint,
    describe,
    hash_group,
    load,
)
from model.embedder import Embedder
from model.preprocess import PreprocessConfig, prepare

NAMES: tuple[ShippedName, ...] = get_args(ShippedName)
TUMOURS = ("glioma", "meningioma", "pituitary_tumor")
CARD = Path(__file__).resolve().parents[3] / "docs" / "model-card.md"
MOST_BYTES = 20_000_000

Row = dict[str, str]


def listed(shared_data: Path, folds: Iterable[int]) -> list[Row]:
    with (shared_data / "slices.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if int(row["fold"]) in set(folds)]


def groups(rows: Iterable[Row]) -> set[str]:
    return {hash_group(row["patient_id"]) for row in rows}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_whole_small_and_says_where_it_comes_from(name: ShippedName) -> None:
    path = checkpoint_named(name)
    loaded = load(path)
    embedder = Embedder(loaded)

    assert path.parent.name == name
    assert path.stat().st_size <= MOST_BYTES
    assert embedder.basis.shape == (4096, loaded.info.network.coordinate_dim)
    assert loaded.info.trained_on
    assert "PHE-SICH-CT-IDS" in loaded.info.data_statement
    assert "1512427" in loaded.info.data_statement


@pytest.mark.parametrize("name", NAMES)
def test_the_model_card_names_it(name: ShippedName) -> None:
    assert checkpoint_named(name).name in CARD.read_text(encoding="utf-8")


def test_a_new_gallery_gets_the_default_one() -> None:
    assert default_checkpoint() == checkpoint_named("default")
    assert checkpoint_named("dev").name != default_checkpoint().name


def test_both_are_of_one_recipe_and_the_default_one_saw_more() -> None:
    default, dev = (describe(checkpoint_named(name))[1] for name in NAMES)

    assert set(dev.trained_on) < set(default.trained_on)
    assert default.network == dev.network
    assert default.preprocess == dev.preprocess


def test_the_dev_one_saw_nothing_of_fold_four(shared_data: Path) -> None:
    default, dev = (set(describe(checkpoint_named(name))[1].trained_on) for name in NAMES)

    assert dev == groups(listed(shared_data, (1, 2, 3)))
    assert default == groups(listed(shared_data, (1, 2, 3, 4)))
    assert not dev & groups(listed(shared_data, (4,)))


def some(rows: list[Row], a_label: int) -> list[Row]:
    """Rows of each tumour, spread over its patients."""
    chosen = []
    for label in TUMOURS:
        of_label = [row for row in rows if row["label"] == label]
        places = np.linspace(0, len(of_label) - 1, a_label).astype(int)
        chosen += [of_label[place] for place in places]
    return chosen


def pictures(folder: Path, rows: list[Row], config: PreprocessConfig) -> NDArray[np.float32]:
    found = []
    for row in rows:
        pixels = pydicom.dcmread(folder / row["file"]).pixel_array.astype(np.float32)
        found.append(prepare(pixels, modality=row["modality"], config=config))
    return np.stack(found)


def share_of_right_neighbours(
    queries: NDArray[np.float32], gallery: NDArray[np.float32], asked: list[Row], kept: list[Row]
) -> float:
    """P@10 over all queries."""
    distances = np.linalg.norm(queries[:, None] - gallery[None], axis=2)
    labels = np.array([row["label"] for row in kept])
    nearest = labels[np.argsort(distances, axis=1)[:, :10]]
    right: np.bool_ = (nearest == np.array([row["label"] for row in asked])[:, None]).mean()
    return float(right)


def test_on_a_sample_of_real_tumours_it_beats_raw_pixels_by_far(shared_data: Path) -> None:
    embedder = Embedder(load(checkpoint_named("dev")))
    asked, kept = some(listed(shared_data, (4,)), 10), some(listed(shared_data, (1, 2, 3)), 40)
    config = embedder.preprocess_config
    queries, gallery = (pictures(shared_data, rows, config) for rows in (asked, kept))

    ours = share_of_right_neighbours(
        embedder.coordinates(queries), embedder.coordinates(gallery), asked, kept
    )
    raw = share_of_right_neighbours(
        queries.reshape(len(queries), -1), gallery.reshape(len(gallery), -1), asked, kept
    )

    assert ours > raw + 0.15
