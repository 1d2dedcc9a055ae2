"""What a run is configured with: a file, a recipe, and the checkpoint that it begins with."""

from dataclasses import replace
from pathlib import Path

import pytest

from model.checkpoint import Checkpoint
from model.preprocess import PreprocessConfig
from model.training.config import TrainConfig
from model.training.recipes import read_recipe
from service.errors import InvalidParameter
from service.training_plan import configure
from tests.unit.model.made import TINY, info

# Its stem takes single pixels, so 36 of them fit it, and not the default recipe's.
PREPARED = PreprocessConfig(size=36, ct_window_hu=(-10.0, 90.0))
START = Checkpoint("msnet-0123456789ab", "", replace(info(), preprocess=PREPARED), {})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ours.toml"


def configured(file: Path, content: str, start: Checkpoint | None = START) -> TrainConfig:
    file.write_text(content)
    return configure(str(file), start, None, None, "drawn")


@pytest.mark.parametrize("content", ["[schedule]\nepochs = 3\n", "[preprocess]\n[network]\n"])
def test_a_file_without_network_and_preprocessing_takes_the_beginning_s(
    file: Path, content: str
) -> None:
    found = configured(file, content)

    assert (found.network, found.preprocess) == (TINY, PREPARED)
    assert found.loss == read_recipe().loss
    assert configured(file, content, None).preprocess == read_recipe().preprocess


def test_so_do_no_file_and_a_recipe_that_names_neither() -> None:
    for name in (None, "softmax"):
        found = configure(name, START, 5, 7, "drawn")
        assert (found.network, found.preprocess) == (TINY, PREPARED)
        assert (found.schedule.epochs, found.schedule.seed) == (5, 7)


def test_what_the_file_names_of_them_lies_over_the_beginning_s(file: Path) -> None:
    found = configured(file, "[preprocess]\nsize = 20\n[network]\nmirrored = true\n")

    assert found.preprocess == replace(PREPARED, size=20)
    assert found.network == replace(TINY, mirrored=True)


def test_a_recipe_that_names_all_of_them_is_taken_at_its_word() -> None:
    assert configure("default", START, None, None, "") == read_recipe()


def test_what_does_not_fit_the_beginning_is_named(file: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"ours\.toml: \[preprocess\] size is no multiple"):
        configured(file, "[preprocess]\nsize = 18\n")
    with pytest.raises(InvalidParameter, match=r"ours\.toml \[network\]: unknown width"):
        configured(file, "[network]\nwidth = 8\n")
