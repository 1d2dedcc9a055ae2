"""`precuneus model train` on drawn slices, from DICOM files to a checkpoint."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from model.checkpoint import hash_group, load
from model.training.tensorboard import EVENT_FILE
from service.demo.studies import write_studies
from tests.support.commands import Ended, Shell, shell_on

FIELDS = ("file", "sop_instance_uid", "series_instance_uid", "patient_id", "modality", "label")
PATIENTS, SLICES = 12, 2
TINY = """
data_statement = "drawn heads"
[network]
stem_block = 1
widths = [4, 8, 16]
depths = [1, 1, 1]
dilations = [1]
embedding_dim = 4096
[preprocess]
size = 32
[sampling]
batch_size = 8
[schedule]
epochs = 2
precision = "float32"
"""
QUICK = ("--config", "tiny.toml", "--device", "cpu", "--threads", 1)

Rows = list[dict[str, str]]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rows]:
    """Twelve drawn patients, four of each of three labels, and what a list says of them."""
    folder = tmp_path_factory.mktemp("drawn")
    studies = write_studies(folder, patients=PATIENTS, slices_per_patient=SLICES)
    with studies.labels_csv.open(newline="") as file:
        labels = {row["sop_instance_uid"]: row["label"] for row in csv.DictReader(file)}
    rows = []
    for number, (uid, label) in enumerate(labels.items()):
        path, patient = studies.files[number], number // SLICES
        kind = "CT" if label == "intracerebral_hemorrhage" else "MR"
        values = (str(path), uid, "1.3", f"SECRET-{patient}", kind, label)
        # Six patients, of all labels, then three, then three.
        fold = 1 if patient < 6 else 2 if patient < 9 else 3
        rows.append(dict(zip(FIELDS, values, strict=True)) | {"fold": str(fold)})
    return folder, rows


def listed(folder: Path, rows: Rows) -> Path:
    path = folder / "slices.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, (*FIELDS, "fold"))
        writer.writeheader()
        writer.writerows(rows)
    return path


def prepared(shell: Shell) -> Shell:
    (shell.folder / "tiny.toml").write_text(TINY)
    return shell


@pytest.fixture
def quiet(tmp_path: Path) -> Shell:
    """A shell without a database."""
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    return prepared(shell_on(nowhere, tmp_path / "shell", tmp_path / "none"))


def train(shell: Shell, *arguments: object) -> Ended:
    return shell.run("model", "train", *arguments, *QUICK)


def test_a_list_makes_an_encoder_and_goes_on_from_it(
    quiet: Shell, drawn: tuple[Path, Rows]
) -> None:
    manifest = listed(quiet.folder, drawn[1])
    folds = ("--train-folds", "1,2", "--validation-folds", "3")
    ended = train(quiet, manifest, *folds, "--out", "run", "--json")

    assert ended.code == 0, ended.errors
    found = ended.json()
    loaded = load(quiet.folder / found["checkpoint"])
    assert (found["epochs"], found["training_slices"], found["validation_slices"]) == (2, 18, 6)
    assert found["validation_macro_map"] == loaded.info.metrics["validation_macro_map"]
    assert loaded.info.data_statement == "drawn heads"
    assert set(loaded.info.trained_on) == {hash_group(f"SECRET-{n}") for n in range(9)}
    assert "epoch 1/2  loss" in ended.errors
    assert "to go for 1 more epochs" in ended.errors
    assert "SECRET" not in ended.errors + ended.output
    run = quiet.folder / "run"
    assert len((run / "metrics.csv").read_text().splitlines()) == 3
    assert (run / EVENT_FILE).exists()

    again = train(quiet, manifest, *folds, "--out", "run", "--json")
    assert (again.code, again.json() | {"seconds": 0}) == (0, found | {"seconds": 0})
    forgetful = train(quiet, manifest, *folds, "--out", "run", "--forget-patients", "--json")
    assert load(quiet.folder / forgetful.json()["checkpoint"]).info.trained_on == ()
    anew = train(quiet, manifest, *folds, "--out", "run", "--no-resume")
    assert (anew.code, "holds a run already" in anew.errors) == (2, True)
    other = train(quiet, manifest, *folds, "--out", "run", "--seed", 7)
    assert (other.code, "another configuration" in other.errors) == (1, True)
    tuned = train(
        quiet, manifest, "--from", found["checkpoint"], "--out", "tuned", "--epochs", 1, "--json"
    )
    assert tuned.code == 0, tuned.errors
    made = load(quiet.folder / tuned.json()["checkpoint"])
    assert made.info.training["started_from"] == loaded.name
    assert tuned.json()["validation_macro_map"] is None


def test_the_gallery_s_own_labels_teach(shell: Shell, drawn: tuple[Path, Rows]) -> None:
    prepared(shell)
    folder, rows = drawn
    secret = shell.folder / "secret"
    secret.write_text("a secret of enough letters")
    keyed = {"PRECUNEUS_PATIENT_KEY_FILE": str(secret)}
    shell.run("gallery", "import", folder, **keyed)
    lines = [f"{row['sop_instance_uid']},{row['label']},board" for row in rows]
    (shell.folder / "labels.csv").write_text("\n".join(["sop_instance_uid,label,source", *lines]))
    assert shell.run("gallery", "label", "labels.csv", **keyed).code == 0
    assert shell.run("worker", "run", "--once", **keyed).code == 0

    arguments = ("--from-gallery", "--label-source", "board", "--out", "run", *QUICK)
    ended = shell.run("model", "train", *arguments, "--epochs", 1, "--json", **keyed)

    assert ended.code == 0, ended.errors
    found = ended.json()
    assert found["training_slices"] == PATIENTS * SLICES
    assert set(found["labels"]) == {row["label"] for row in rows}
    info = load(shell.folder / found["checkpoint"]).info
    assert (len(info.trained_on), info.group_kind) == (PATIENTS, "patient_key")

    (shell.folder / "more.csv").write_text(
        f"sop_instance_uid,label,source\n{rows[0]['sop_instance_uid']},another,board"
    )
    assert shell.run("gallery", "label", "more.csv", **keyed).code == 0
    again = shell.run("model", "train", *arguments, "--epochs", 1, "--json", **keyed)
    assert again.code == 0, again.errors
    assert again.json() | {"seconds": 0} == found | {"seconds": 0}
    assert "goes on with the 24 slices that it began with" in again.errors
    others = shell.run("model", "train", "--from-gallery", "--out", "run", *QUICK, **keyed)
    assert others.code == 2
    assert "began with --label-source board" in " ".join(others.errors.split())

    elsewhere = (*arguments, "--out", "other", "--validation-folds", 9)
    nowhere = shell.run("model", "train", *elsewhere, **keyed)
    assert (nowhere.code, "fold 9 holds no slice" in nowhere.errors) == (2, True)


def unread(rows: Rows) -> Rows:
    """A list whose files are not there: what is refused was refused before they were looked for."""
    return [row | {"file": "nowhere.dcm"} for row in rows]


def leaking(rows: Rows) -> Rows:
    return unread([*rows[:-1], rows[-1] | {"patient_id": "SECRET-0"}])


def empty_class(rows: Rows) -> Rows:
    return unread([row | {"label": "rare"} if row["fold"] == "3" else row for row in rows])


def one_patient(rows: Rows) -> Rows:
    return unread([row | {"patient_id": "SECRET-0", "fold": "1"} for row in rows])


def no_images(rows: Rows) -> Rows:
    return [row | {"file": "tiny.toml"} for row in rows[:6]] + rows[6:]


def test_a_file_that_gives_no_slice_is_left_out_and_named(
    quiet: Shell, drawn: tuple[Path, Rows]
) -> None:
    manifest = listed(quiet.folder, [drawn[1][0] | {"file": "tiny.toml"}, *drawn[1][1:]])
    ended = train(quiet, manifest, "--out", "run", "--epochs", 1, "--json")

    assert ended.code == 0, ended.errors
    found = ended.json()
    assert found["training_slices"] == PATIENTS * SLICES - 1
    assert [Path(path).name for path in found["unreadable"]] == ["tiny.toml"]
    assert "left out, for it gives no slice" in ended.errors


@pytest.mark.parametrize(
    ("spoil", "options", "code", "words"),
    [
        (leaking, (), 1, "1 of 12 groups (patient_id) have slices in more than one fold"),
        (empty_class, ("--validation-folds", 3), 1, "no training slice has the label rare"),
        (one_patient, (), 1, "come from one patient"),
        (no_images, (), 2, "tiny.toml"),
        (unread, ("--config", "shipped"), 2, "of the encoders that ship alone"),
        (unread, ("--validation-folds", "9"), 2, "fold 9 holds no slice; folds are 1, 2, 3"),
        (unread, ("--train-folds", "1,2", "--validation-folds", 2), 2, "cannot both"),
        (unread, ("--train-folds", "some"), 2, "folds are numbers"),
        (unread, ("--from-gallery",), 2, "MANIFEST"),
        (unread, ("--from", "tiny.toml"), 1, "is not named msnet-"),
    ],
)
def test_what_cannot_be_done_ends_with_a_code_and_names_nobody(
    quiet: Shell,
    drawn: tuple[Path, Rows],
    spoil: Callable[[Rows], Rows],
    options: tuple[object, ...],
    code: int,
    words: str,
) -> None:
    manifest = listed(quiet.folder, spoil(drawn[1]))
    ended = quiet.run("model", "train", manifest, *QUICK, "--out", "run", *options)

    assert (ended.code, ended.output) == (code, "")
    assert words in " ".join(ended.errors.split())
    assert "SECRET" not in ended.errors


def test_a_configuration_with_a_slip_is_wrong_usage(quiet: Shell, drawn: tuple[Path, Rows]) -> None:
    (quiet.folder / "slip.toml").write_text("[schedule]\nepoch = 3\n")
    manifest = listed(quiet.folder, drawn[1])
    ended = quiet.run("model", "train", manifest, "--out", "run", "--config", "slip.toml")

    assert (ended.code, "slip.toml [schedule]: unknown epoch" in ended.errors) == (2, True)


def test_a_file_that_is_no_image_is_named_and_left_out(
    quiet: Shell, drawn: tuple[Path, Rows]
) -> None:
    first, *rest = drawn[1]
    manifest = listed(quiet.folder, [first | {"file": "tiny.toml"}, *rest])
    ended = train(quiet, manifest, "--out", "run", "--epochs", 1, "--json")

    assert ended.code == 0, ended.errors
    assert ended.json()["training_slices"] == PATIENTS * SLICES - 1
    assert f"left out, for it gives no slice: {quiet.folder / 'tiny.toml'}" in ended.errors
