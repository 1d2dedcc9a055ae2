"""What a TOML file may say about a run."""

import json
from pathlib import Path

import pytest

from model.errors import TrainingError
from model.training.config import HashConfig, TrainConfig, read_config, read_overlaid


def written(folder: Path, content: str) -> Path:
    path = folder / "run.toml"
    path.write_text(content, encoding="utf-8")
    return path


def test_what_is_left_out_keeps_its_default(tmp_path: Path) -> None:
    config = read_config(
        written(
            tmp_path,
            'data_statement = "ours"\n'
            "[network]\nwidths = [8, 16, 32]\nconcat = false\n"
            "[preprocess]\nsize = 64\nct_window_hu = [-20, 100]\n"
            "[schedule]\nepochs = 3\npeak_learning_rate = 1\n",
        )
    )

    assert config.network.widths == (8, 16, 32)
    assert not config.network.concat
    assert config.network.embedding_dim == 4096
    assert config.preprocess.ct_window_hu == (-20, 100)
    assert (config.schedule.epochs, config.schedule.peak_learning_rate) == (3, 1)
    assert config.loss == TrainConfig().loss
    assert config.data_statement == "ours"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[network]\nwidth = 8\n", r"run.toml \[network\]: unknown width"),
        ("epochs = 3\n", "unknown epochs"),
        ("[schedule]\nepochs = 2.5\n", "epochs is no int"),
        ("[schedule]\nepochs = true\n", "epochs is no int"),
        ('[augment]\nflip = "yes"\n', "flip is no bool"),
        ("[loss]\nplane = true\n", "plane is no float"),
        ("network = 3\n", "network is a section"),
        ("[network]\nwidths = [8, 16]\n", "widths is no list of as many numbers"),
        ('[network]\ndilations = ["a"]\n', "dilations is no list"),
        ('[schedule]\nprecision = "float16"\n', "precision is none of float32, bfloat16"),
        ("[network\n", "is no TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        read_config(written(tmp_path, content))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"nowhere\.toml"):
        read_config(tmp_path / "nowhere.toml")


def test_the_identity_survives_json() -> None:
    identity = TrainConfig().identity()

    assert json.loads(json.dumps(identity)) == identity
    assert identity["network"]["widths"] == [32, 64, 128]


def test_a_file_may_lie_over_another(tmp_path: Path) -> None:
    base = tmp_path / "base.toml"
    base.write_text("[schedule]\nepochs = 9\nseed = 4\n[loss]\nplane = 0.5\n")
    config = read_overlaid(written(tmp_path, "[schedule]\nepochs = 3\n"), base)

    assert (config.schedule.epochs, config.schedule.seed) == (3, 4)
    assert config.loss.plane == 0.5


def test_a_run_without_codes_is_called_as_before_there_were_any() -> None:
    assert "hash" not in TrainConfig().identity()
    assert TrainConfig(hash=HashConfig(bits=64)).identity()["hash"]["bits"] == 64
