"""`precuneus model explain` and `check-explanations`, on slices made for it, without a gallery."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.commands import Shell
from tests.support.objects import ct_dataset, write_file

_LABELS = ("left", "right")


@pytest.fixture
def alone(tmp_path: Path) -> Shell:
    """A shell without a database."""
    folder = tmp_path / "shell"
    folder.mkdir()
    return Shell(folder, {"PRECUNEUS_STATE_DIR": str(folder / "state")})


def slices(folder: Path, count: int) -> list[Path]:
    """CT slices of as many patients, with a bright square at the left or at the right."""
    paths = []
    for number in range(count):
        pixels = np.random.default_rng(number).integers(1024 + 20, 1024 + 40, (64, 64))
        left = 10 if number % 2 == 0 else 40
        pixels[24:38, left : left + 14] += 40
        dataset = ct_dataset(pixels=pixels.astype(np.int16), patient_id=f"ZQ-{number}")
        paths.append(write_file(folder / f"{number}.dcm", dataset))
    return paths


def test_a_pair_is_drawn_and_told(alone: Shell, checkpoint_file: Path) -> None:
    first, second = slices(alone.folder, 2)
    options = ("--encoder", checkpoint_file, "--out", "why.png")
    ended = alone.run("model", "explain", first, second, *options)
    assert ended.code == 0, ended.errors
    assert "patient data" in ended.errors
    assert ended.output.startswith("Similarity ")
    assert "hottest at x" in ended.output
    with Image.open(alone.folder / "why.png") as image:
        assert image.size == (512 + 8 + 512, 512)
    assert (alone.folder / "why.png").stat().st_mode & 0o777 == 0o600


def test_json_holds_heat_and_no_picture(alone: Shell, checkpoint_file: Path) -> None:
    first, second = slices(alone.folder, 2)
    ended = alone.run("model", "explain", first, second, "--encoder", checkpoint_file, "--json")
    assert ended.code == 0, ended.errors
    told = ended.json()
    assert set(told) == {"encoder", "similarity", "first", "second"}
    assert told["encoder"] == checkpoint_file.stem
    assert np.array(told["second"]["heat"]).shape == (32, 32)
    assert "ZQ-" not in ended.output + ended.errors


def test_pictures_do_not_go_into_a_repository(alone: Shell, checkpoint_file: Path) -> None:
    first, second = slices(alone.folder, 2)
    (alone.folder / ".git").mkdir()
    options = ("--encoder", checkpoint_file, "--out", "why.png")
    ended = alone.run("model", "explain", first, second, *options)
    assert ended.code == 1
    assert "pictures that show slices of patients are not written into a repository" in ended.errors
    assert not (alone.folder / "why.png").exists()


def test_what_is_no_slice_is_refused(alone: Shell, checkpoint_file: Path) -> None:
    (first,) = slices(alone.folder, 1)
    text = alone.folder / "notes.txt"
    text.write_text("no DICOM file\n")
    for other in (("--other-frame", 2, first, first), (first, text)):
        ended = alone.run("model", "explain", "--encoder", checkpoint_file, *other)
        assert ended.code == 1
        assert ended.errors.startswith("precuneus: ")


def test_explanations_are_checked_against_boxes(alone: Shell, checkpoint_file: Path) -> None:
    names = (
        "file,sop_instance_uid,series_instance_uid,patient_id,modality,label,fold,lesion_box_xyxy"
    )
    lines = [
        f"{path.name},1.2.{n},1.3.{n},p{n},CT,{_LABELS[n % 2]},{1 + n // 8},"
        f"{10 if n % 2 == 0 else 40} 24 {23 if n % 2 == 0 else 53} 37"
        for n, path in enumerate(slices(alone.folder, 12))
    ]
    (alone.folder / "slices.csv").write_text("\n".join([names, *lines]))
    options = ["--encoder", checkpoint_file, "--labels", "left,right", "--bootstrap", 20]
    folds = ["--query-folds", 2, "--gallery-folds", 1, "--trained-on-folds", "none"]
    command = ("model", "check-explanations", "slices.csv", *options, *folds)
    ended = alone.run(*command, "--json")
    assert ended.code == 0, ended.errors
    told = ended.json()
    assert told["asked"] == 4
    assert 1 <= told["matched"] <= 4
    for name in ("points_in_query", "points_in_neighbour", "deletion", "random_deletion"):
        assert told[name]["low"] <= told[name]["value"] <= told[name]["high"]
    assert set(told["points_by_label"]) <= set(_LABELS)
    ended = alone.run(*command, "--pairs", 1)
    assert ended.code == 0, ended.errors
    assert "advantage over random maps" in ended.output
