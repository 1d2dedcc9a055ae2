"""`precuneus model evaluate` on drawn slices, from DICOM files to tables and pictures."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.checkpoint import Checkpoint, hash_group, load, save
from service.demo.studies import write_studies
from tests.support.commands import Shell, shell_on
from tests.support.encoders import tiny_checkpoint

FIELDS = (
    *("file", "sop_instance_uid", "series_instance_uid", "patient_id"),
    *("modality", "label", "fold"),
)
PATIENTS, SLICES = 12, 2


@pytest.fixture(scope="session")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of twelve drawn patients, four of each of three labels, in two folds."""
    folder = tmp_path_factory.mktemp("listed")
    studies = write_studies(folder, patients=PATIENTS, slices_per_patient=SLICES)
    with studies.labels_csv.open(newline="") as file:
        labels = {row["sop_instance_uid"]: row["label"] for row in csv.DictReader(file)}
    path = folder / "slices.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for number, (uid, label) in enumerate(labels.items()):
            patient = number // SLICES
            values = (
                *(studies.files[number].relative_to(folder), uid, "1.3", f"SECRET-{patient}"),
                *("CT" if label == "intracerebral_hemorrhage" else "MR", label),
                1 if patient < PATIENTS // 2 else 2,
            )
            writer.writerow(dict(zip(FIELDS, values, strict=True)))
    return path


@pytest.fixture
def encoder(tmp_path: Path) -> Callable[[int], Path]:
    """A tiny encoder that says it was trained on the first so many patients."""

    def make(patients: int) -> Path:
        made: Checkpoint = load(tiny_checkpoint(tmp_path / "untaught"))
        seen = tuple(hash_group(f"SECRET-{patient}") for patient in range(patients))
        info = replace(made.info, trained_on=seen)
        return save(tmp_path / f"encoder-{patients}", made.weights, info)

    return make


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """No database is needed, so none is there."""
    return shell_on("postgresql://nobody@127.0.0.1:1/none", tmp_path / "shell", tmp_path / "none")


def test_figures_as_json_and_csv_and_pictures(
    shell: Shell, listed: Path, encoder: Callable[[int], Path]
) -> None:
    options = ("--bootstrap", 20, "--device", "cpu", "--csv", "queries.csv", "--plots", "plots")
    ended = shell.run(
        "model", "evaluate", listed, "--encoder", encoder(PATIENTS // 2), *options, "--json"
    )

    assert ended.code == 0, ended.errors
    found = ended.json()
    assert found["folds"] == {"queries": [2], "gallery": [1], "seen": [1]}
    made = {(r["protocol"], r["scope"], r["method"]) for r in found["reports"]}
    name = found["encoder"]["name"]
    assert {(p, s) for p, s, method in made if method == name} == {
        *(("paper", "its three classes"), ("paper", "its classes among all labels")),
        *(("folds", "all labels"), ("folds", "MR only")),
        *(("unseen", "all labels"), ("unseen", "MR only")),
    }
    for report in found["reports"]:
        for figure in report["summary"]["macro"].values():
            assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
    lines = list(csv.DictReader((shell.folder / "queries.csv").read_text().splitlines()))
    # Six patients ask in both papers' splits, in both all-labels splits; the four of MR again.
    assert len(lines) == 4 * SLICES * (4 * 6 + 2 * 4)
    assert "SECRET" not in ended.output + ended.errors + (shell.folder / "queries.csv").read_text()
    assert (shell.folder / "plots" / "folds-MR-only-worst.png").stat().st_size > 1000


def test_a_table_for_people(shell: Shell, listed: Path, encoder: Callable[[int], Path]) -> None:
    options = ("--protocol", "folds", "--bootstrap", 20, "--labels", "glioma,pituitary_tumor")
    ended = shell.run("model", "evaluate", listed, "--encoder", encoder(6), *options)

    assert ended.code == 0, ended.errors
    for words in ("macro (mean over labels)", "95 % interval", "chance", "nDCG@10", "glioma"):
        assert words in ended.output
    assert "patients resampled" in ended.output
    assert "raw 32x32 pixels" in ended.output
    assert "intracerebral_hemorrhage" not in ended.output


def test_study_figures_for_a_person_and_a_script(
    shell: Shell, listed: Path, encoder: Callable[[int], Path]
) -> None:
    command = ("model", "evaluate-studies", listed, "--encoder", encoder(6), "--device", "cpu")
    found = shell.run(*command, "--json").json()
    assert found["folds"] == {"queries": [2], "gallery": [1], "seen": [1]}
    assert set(found["modalities"]) == {"CT", "MR"}
    tumours = found["modalities"]["MR"]
    assert (tumours["studies"], tumours["gallery"]) == (4, 4)
    assert all(0 <= tumours[name] <= 1 for name in ("first_study", "vote_1", "vote_5"))
    table = shell.run(*command, "--modality", "mr")
    assert (table.code, "first study" in table.output) == (0, True), table.errors
    assert "SECRET" not in table.output + table.errors
    refused = shell.run(*command, "--query-folds", "1", "--gallery-folds", "2")
    assert refused.code == 1


def test_embeddings_of_an_export_give_the_same_figures(
    shell: Shell, listed: Path, encoder: Callable[[int], Path]
) -> None:
    """Turned vectors stand for an export: another length, the same distances."""
    from model.embedder import Embedder
    from model.manifest import read_manifest
    from service.evaluating import embed, prepare_slices
    from service.settings import WorkerSettings

    checkpoint, rows = load(encoder(6)), read_manifest(listed)
    config = checkpoint.info.preprocess
    dataset = prepare_slices(rows, config, {}, WorkerSettings(), lambda _done, _all: None).dataset
    embedder = Embedder(checkpoint)
    found = embed(embedder, dataset, lambda _done, _all: None)
    arrays = {
        "sop_instance_uid": np.array(dataset.sop_instance_uids[::-1]),
        "frame": np.ones(len(dataset), np.int32),
        "embedding": (found @ embedder.basis.T)[::-1],
    }
    encoder_facts = {"encoder_name": checkpoint.name, "encoder_sha256": checkpoint.digest}
    np.savez(shell.folder / "gallery.npz", **arrays, **encoder_facts)
    np.savez(shell.folder / "old.npz", **arrays)
    command = ("model", "evaluate", listed, "--encoder", encoder(6), "--no-controls", "--json")

    direct = shell.run(*command, "--bootstrap", 0).json()["reports"]
    exported = shell.run(*command, "--bootstrap", 0, "--embeddings", "gallery.npz").json()

    for one, other in zip(direct, exported["reports"], strict=True):
        values = [r["summary"]["macro"]["average_precision"]["value"] for r in (one, other)]
        assert values[0] == pytest.approx(values[1], abs=1e-6)
    old = shell.run(*command, "--embeddings", "old.npz")
    assert (old.code, "export the gallery again" in old.errors) == (1, True)


@pytest.mark.parametrize(
    ("patients", "options", "code", "words"),
    [
        (6, ("--query-folds", "1"), 1, "trained on 6 of the 6 patients"),
        (12, (), 1, "trained on every fold"),
        (0, (), 1, "--trained-on-folds"),
        (6, ("--labels", "glioma,nothing"), 1, "no slice has the label nothing"),
        (6, ("--query-folds", "two"), 2, "folds are numbers"),
        (6, ("--query-folds", "none"), 1, "without a fold of queries"),
        (6, ("--csv", "missing/queries.csv"), 1, "missing/queries.csv"),
        (6, ("--device", "cuda"), 1, "no CUDA device"),
        (6, ("--protocol", "best"), 2, "best"),
        (6, ("--encoder", "missing.safetensors"), 1, "missing.safetensors"),
        (6, ("--plots", Path(__file__).parent / "plots"), 1, "not written into a repository"),
    ],
)
def test_what_is_refused_before_anything_is_decoded(
    shell: Shell,
    listed: Path,
    encoder: Callable[[int], Path],
    patients: int,
    options: tuple[object, ...],
    code: int,
    words: str,
) -> None:
    """The list's files are not there: what is refused only later would name them."""
    alone = shell.folder / "slices.csv"
    alone.write_text(listed.read_text())
    ended = shell.run("model", "evaluate", alone, "--encoder", encoder(patients), *options)

    assert ended.code == code
    assert words in ended.errors
    assert "SECRET" not in ended.errors


def spoilt(shell: Shell, listed: Path, files: int) -> Path:
    """The list with its first so many files broken."""
    with listed.open(newline="") as file:
        rows = [row | {"file": listed.parent / row["file"]} for row in csv.DictReader(file)]
    for number in range(files):
        rows[number]["file"] = f"broken-{number}.dcm"
        (shell.folder / f"broken-{number}.dcm").write_text("no DICOM file")
    path = shell.folder / "slices.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_few_files_that_are_no_images_are_left_out_and_named(
    shell: Shell, listed: Path, encoder: Callable[[int], Path]
) -> None:
    command = ("--encoder", encoder(6), "--protocol", "folds", "--bootstrap", 0, "--no-controls")
    shown = shell.run("model", "evaluate", spoilt(shell, listed, 1), *command)
    ended = shell.run("model", "evaluate", shell.folder / "slices.csv", *command, "--json")

    assert (shown.code, ended.code) == (0, 0), shown.errors + ended.errors
    assert "1 listed files give no slice" in shown.output
    assert "broken-0.dcm" in shown.output
    found = ended.json()
    assert [Path(path).name for path in found["unreadable"]] == ["broken-0.dcm"]
    everyone = found["reports"][0]
    assert (everyone["queries"], everyone["gallery"]) == (12, 11)


def test_many_files_that_are_no_images_end_it(
    shell: Shell, listed: Path, encoder: Callable[[int], Path]
) -> None:
    ended = shell.run("model", "evaluate", spoilt(shell, listed, 6), "--encoder", encoder(6))

    assert ended.code == 2
    assert "broken-0.dcm" in ended.errors
    assert "broken-5.dcm" in ended.errors


def test_figures_are_told_even_if_the_plots_fail(
    shell: Shell, listed: Path, encoder: Callable[[int], Path]
) -> None:
    """A folder lies where the first plot should go."""
    (shell.folder / "plots" / "folds-all-labels-curves.png" / "taken").mkdir(parents=True)
    options = ("--protocol", "folds", "--bootstrap", 0, "--no-controls", "--json")
    ended = shell.run(
        "model", "evaluate", listed, "--encoder", encoder(6), *options, "--plots", "plots"
    )

    assert ended.code == 1
    assert ended.json()["reports"][0]["protocol"] == "folds"


def test_help_says_which_folds_and_which_pictures(shell: Shell) -> None:
    ended = shell.run("model", "evaluate", "--help")

    assert ended.code == 0
    for words in ("--protocol", "--trained-on-folds", "--bootstrap", "PATIENTS", "--embeddings"):
        assert words in ended.output
