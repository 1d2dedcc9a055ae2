"""`precuneus model check-evidence` on drawn slices: figures, a file for galleries, refusals."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from model.checkpoint import hash_group, load, save
from service.calibration.brought import read_brought
from service.demo.studies import write_studies
from tests.support.commands import Shell, shell_on
from tests.support.encoders import tiny_checkpoint

FIELDS = ("file", "sop_instance_uid", "series_instance_uid", "patient_id", "modality", "label")
PATIENTS = 84


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of 84 drawn patients of one slice each, in two folds."""
    folder = tmp_path_factory.mktemp("listed")
    studies = write_studies(folder, patients=PATIENTS, slices_per_patient=1)
    with studies.labels_csv.open(newline="") as file:
        labels = {row["sop_instance_uid"]: row["label"] for row in csv.DictReader(file)}
    path = folder / "slices.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*FIELDS, "fold"])
        for number, (uid, label) in enumerate(labels.items()):
            place = studies.files[number].relative_to(folder)
            fold = 1 if number < PATIENTS // 2 else 2
            writer.writerow([place, uid, "1.3", f"SECRET-{number}", "MR", label, fold])
    return path


@pytest.fixture
def encoder(tmp_path: Path) -> Callable[[int], Path]:
    """A tiny encoder that says it was trained on the first so many patients."""

    def make(patients: int) -> Path:
        made = load(tiny_checkpoint(tmp_path / "untaught"))
        seen = tuple(hash_group(f"SECRET-{patient}") for patient in range(patients))
        return save(tmp_path / "taught", made.weights, replace(made.info, trained_on=seen))

    return make


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """No database is needed, so none is there."""
    return shell_on("postgresql://nobody@127.0.0.1:1/none", tmp_path / "shell", tmp_path / "none")


def test_figures_and_a_file_for_galleries(
    shell: Shell, listed: Path, encoder: Callable[[int], Path]
) -> None:
    weights = encoder(PATIENTS // 2)
    unlike = shell.folder / "unlike.csv"
    with listed.open(newline="") as file:
        first = next(csv.DictReader(file))["file"]
    unlike.write_text(f"file\n{first}\n")
    options = ("--unlike", unlike, "--unlike-folder", listed.parent)
    kept = shell.folder / "state" / "encoders" / f"{weights.stem}.evidence.json"
    kept.parent.mkdir(parents=True)
    ended = shell.run(
        "model", "check-evidence", listed, "--encoder", weights, *options, "--write", kept, "--json"
    )
    assert ended.code == 0, ended.errors
    found = ended.json()
    assert found["shares"]["patients"] == PATIENTS // 2
    assert 0 <= found["shares"]["ece"] <= 1
    # A drawn head is no stranger to drawn heads.
    assert found["alarms"]["caught"] < 1
    brought = read_brought(weights.stem, shell.folder / "state")
    assert brought is not None
    assert brought.evidence.ece == found["shares"]["ece"]
    assert weights.stem in brought.evidence.protocol
    assert brought.evidence.protocol.endswith("15 bins.")
    assert "SECRET" not in ended.output + ended.errors + json.dumps(kept.read_text())


def test_figures_written_for_another_encoder_say_that_it_was_not_measured(
    shell: Shell, listed: Path, encoder: Callable[[int], Path]
) -> None:
    weights, kept = encoder(PATIENTS // 2), shell.folder / "msnet-ba9876543210.evidence.json"
    ended = shell.run("model", "check-evidence", listed, "--encoder", weights, "--write", kept)
    assert ended.code == 0, ended.errors
    protocol = json.loads(kept.read_text())["evidence"]["protocol"]
    assert weights.stem in protocol
    assert protocol.endswith("on those patients, too, and has no others here to be measured on.")


def test_a_table_for_people(shell: Shell, listed: Path, encoder: Callable[[int], Path]) -> None:
    ended = shell.run("model", "check-evidence", listed, "--encoder", encoder(PATIENTS // 2))
    assert ended.code == 0, ended.errors
    for words in ("expected calibration error", "false alarms", "42 patients"):
        assert words in ended.output


def test_patients_that_the_encoder_saw_are_refused_as_queries(
    shell: Shell, listed: Path, encoder: Callable[[int], Path]
) -> None:
    weights = encoder(PATIENTS // 2)
    asked = ("--query-folds", "1", "--gallery-folds", "2")
    ended = shell.run("model", "check-evidence", listed, "--encoder", weights, *asked)
    assert ended.code == 1
    assert "trained" in ended.errors


def test_a_table_without_files_is_refused(
    shell: Shell, listed: Path, encoder: Callable[[int], Path]
) -> None:
    (shell.folder / "unlike.csv").write_text("path\na.dcm\n")
    ended = shell.run(
        *("model", "check-evidence", listed, "--encoder", encoder(PATIENTS // 2)),
        *("--unlike", "unlike.csv"),
    )
    assert ended.code == 2
    assert "column file" in ended.errors
