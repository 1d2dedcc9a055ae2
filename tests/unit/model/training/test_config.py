"""What a TOML file may say about a run."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from model.errors import TrainingError
from model.training import ranges
from model.training.config import HashConfig, ScheduleConfig, TrainConfig
from model.training.config_file import read_overlaid
from model.training.recipes import read_recipe


def written(folder: Path, content: str) -> Path:
    path = folder / "run.toml"
    path.write_text(content, encoding="utf-8")
    return path


def read(path: Path) -> TrainConfig:
    return read_recipe(str(path))


def test_what_is_left_out_keeps_its_default(tmp_path: Path) -> None:
    config = read(
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
        ('[preprocess]\nversion = "1"\n', "unknown version"),
        ("[hash]\nbits = 100\n", r"run.toml: \[hash\] bits is none of 0, 64, 128, 256"),
        ("[schedule]\nepochs = 0\n", r"\[schedule\] epochs is not from 1 to"),
        ("[schedule]\nseed = -1\n", "seed is not from 0"),
        ("[schedule]\npeak_learning_rate = 0.0\n", "peak_learning_rate is not above 0"),
        ("[schedule]\nclip_norm = nan\n", "clip_norm is not above 0"),
        ("[sampling]\nbatch_size = 0\n", "batch_size is not from 2"),
        ("[sampling]\nbatch_size = 1\n", "batch_size is not from 2"),
        ("[sampling]\nslices_per_group = 0\n", "slices_per_group is not from 1"),
        ("[network]\ndilations = []\n", "dilations is not from 1"),
        ("[network]\npooled_scales = [3]\n", "pooled_scales is not from 0 to 2"),
        ("[network]\ndrop_path = 1.0\n", "drop_path is not from 0 to 0.99"),
        ("[augment]\nmax_scale = 0.5\n", "max_scale is not from 1 to 10"),
        ("[loss]\ntemperature = 0.0\n", "temperature is not 0.001 or more"),
        ("[loss]\ncontrastive = inf\n", "contrastive is not 0 or more"),
        ("[preprocess]\nsize = 100\n", "size is no multiple of 8"),
        ("[preprocess]\nct_window_hu = [80.0, 0.0]\n", "ct_window_hu does not begin below"),
        ("[preprocess]\nlow_percentile = 99.9\n", "low_percentile is not below"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        read(written(tmp_path, content))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"cannot read .*nowhere\.toml"):
        read_overlaid(tmp_path / "nowhere.toml", tmp_path / "nowhere.toml")


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


def test_every_number_has_a_range() -> None:
    """Else one that is added would be taken as it comes."""
    known = {
        f"{section}.{name}"
        for section, values in TrainConfig(hash=HashConfig(bits=64)).recipe().items()
        for name, value in values.items()
        if not isinstance(value, bool | str)
    }

    assert known - {"hash.bits"} == ranges.RANGES.keys()


def test_a_configuration_of_a_program_is_checked_too() -> None:
    with pytest.raises(TrainingError, match="epochs"):
        replace(TrainConfig(), schedule=ScheduleConfig(epochs=0))
