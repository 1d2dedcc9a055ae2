"""The recipes that ship can be read, and are what they are called."""

import tomllib
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from model.errors import TrainingError
from model.training.config import TrainConfig
from model.training.recipes import read_recipe

_SECTIONS = ("network", "preprocess", "augment", "loss", "sampling", "schedule")


def test_the_default_recipe_leaves_nothing_to_guess() -> None:
    file = Path(str(resources.files("model"))) / "recipes" / "default.toml"
    written = tomllib.loads(file.read_text(encoding="utf-8"))

    for section in _SECTIONS:
        known = vars(getattr(TrainConfig(), section)).keys() - {"version"}
        assert written[section].keys() == known, section


def test_the_default_recipe_is_what_is_meant_by_default() -> None:
    assert TrainConfig() == read_recipe()


def test_the_softmax_recipe_is_softmax_alone() -> None:
    default, softmax = read_recipe("default"), read_recipe("softmax")

    assert softmax.loss == replace(default.loss, contrastive=0.0, lesion_map=0.0, plane=0.0)
    for section in set(_SECTIONS) - {"loss"}:
        assert getattr(softmax, section) == getattr(default, section)


def test_what_finishes_an_encoder_is_calm_from_the_beginning() -> None:
    default, finish = read_recipe("default"), read_recipe("finish")

    assert finish.schedule.lively_epochs == 0
    assert finish.schedule.seed != default.schedule.seed
    for section in set(_SECTIONS) - {"schedule"}:
        assert getattr(finish, section) == getattr(default, section)


def test_the_encoders_that_ship_are_finished_as_others_are() -> None:
    finish, shipped = read_recipe("finish"), read_recipe("shipped")

    assert shipped.recipe() == finish.recipe()
    assert shipped.data_statement
    assert not finish.data_statement


def test_a_file_changes_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text("[schedule]\nepochs = 7\n")
    ours, default = read_recipe(str(file)), read_recipe()

    assert ours.schedule.epochs == 7
    assert ours.schedule.seed == default.schedule.seed
    assert ours.augment == default.augment


OLDER = """
    [schedule]
    epochs = 60
    calm = 0.0
    settle = false
"""


def test_the_lines_of_the_documents_are_what_a_run_of_an_older_version_began_with(
    tmp_path: Path,
) -> None:
    file = tmp_path / "older.toml"
    file.write_text(OLDER)
    found = read_recipe(str(file)).recipe()

    assert found["schedule"] == {
        "epochs": 60,
        "peak_learning_rate": 2e-3,
        "warm_up": 0.15,
        "weight_decay": 0.05,
        "ema_decay": 0.998,
        "clip_norm": 5.0,
        "precision": "bfloat16",
        "seed": 1,
    }
    assert "calm" not in found["augment"]
    for document in ("docs/training.md", "CHANGELOG.md"):
        told = (Path(__file__).parents[4] / document).read_text(encoding="utf-8")
        assert OLDER.replace(" ", "") in told.replace(" ", ""), document


def test_what_is_neither_is_refused_with_what_there_is() -> None:
    with pytest.raises(TrainingError, match=r"recipes are default, finish, softmax$"):
        read_recipe("nowhere.toml")
