import json
import stat
from pathlib import Path

import numpy as np
import pytest

from tests.integration.service.cli.conftest import Imported
from tests.support.commands import Shell
from tests.support.objects import ct_dataset, write_file


def test_an_import_takes_what_it_can_and_names_the_rest(imported: Imported) -> None:
    assert imported.upgraded.code == 0
    assert imported.imported.code == 1
    assert "6 stored, 0 known already, 0 kept as conflicts, 1 refused." in imported.imported.output
    (refusal,) = [line for line in imported.imported.errors.splitlines() if "refused" in line]
    assert "files/notes.txt" in refusal
    assert "ZQ-" not in imported.imported.output + imported.imported.errors


def test_an_import_reports_to_scripts(shell: Shell) -> None:
    write_file(shell.folder / "a.dcm", ct_dataset())
    first = shell.run("gallery", "import", "a.dcm", "--json")
    assert (first.code, first.json()) == (
        0,
        {"stored": 1, "duplicates": 0, "conflicts": 0, "dropped": 0, "refused": []},
    )
    again = shell.run("gallery", "import", "a.dcm", "--json")
    assert again.json()["duplicates"] == 1


def test_what_is_imported_is_closed_to_others(imported: Imported) -> None:
    state = imported.shell.folder / "state"
    assert stat.S_IMODE((state / "objects").stat().st_mode) == 0o700
    files = list((state / "objects").rglob("*.dcm"))
    assert len(files) == 6
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((state / "secrets" / "patient_key").stat().st_mode) == 0o600


def test_an_import_of_nothing_is_wrong_usage(shell: Shell) -> None:
    ended = shell.run("gallery", "import", "nowhere")
    assert (ended.code, "nowhere" in ended.errors) == (2, True)


def test_labels_are_recorded_or_wait(imported: Imported) -> None:
    assert imported.labelled.code == 0
    assert (
        "3 labels recorded, 0 replaced, 0 unchanged, of 3 instances or studies."
        in imported.labelled.output
    )
    assert "1 of them are not in the gallery yet" in imported.labelled.output


def test_the_totals(imported: Imported) -> None:
    stats = imported.shell.run("gallery", "stats", "--json").json()
    assert stats["instances"] == {"embedded": 6}
    assert (stats["patients"], stats["studies"], stats["series"]) == (6, 6, 6)
    assert (stats["slices"], stats["waiting"], stats["conflicts"]) == (6, 0, 0)
    assert stats["labels"] == {"glioma": 1, "bleed": 1}
    assert stats["modalities"] == {"CT": 6}
    assert stats["reasons"] == {}
    assert stats["stored_bytes"] > 6 * 64 * 64 * 2
    assert stats["encoder"].startswith("msnet-")
    table = imported.shell.run("gallery", "stats")
    assert table.code == 0
    assert "instances: embedded" in table.output


def test_similar_slices_for_a_person_and_a_script(imported: Imported) -> None:
    query, *others = imported.uids
    body = imported.shell.run("similar", query, "-k", 5, "--json").json()
    assert {n["sop_instance_uid"] for n in body["neighbours"]} == set(others)
    assert [n["rank"] for n in body["neighbours"]] == [1, 2, 3, 4, 5]
    told = {"query", "encoder", "method", "complete", "neighbours"}
    assert set(body) == {*told, "next_cursor", "explanation"}
    table = imported.shell.run("similar", query, "--exact")
    assert table.code == 0
    assert "(exact)" in table.output
    assert all(uid in table.output for uid in others)
    assert "bleed" in table.output


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["1.2.3"], 1, "no instance 1.2.3"),
        (["{uid}", "-k", "0"], 2, "between 1 and 500"),
        (["{uid}", "--frame", "2"], 2, "frames are 1 to 1"),
    ],
)
def test_what_cannot_be_answered_ends_with_a_code(
    imported: Imported, arguments: list[str], code: int, words: str
) -> None:
    ended = imported.shell.run("similar", *[a.format(uid=imported.uids[0]) for a in arguments])
    assert (ended.code, ended.output) == (code, "")
    assert words in ended.errors


def test_an_export_loads(imported: Imported, tmp_path: Path) -> None:
    file = tmp_path / "gallery.npz"
    ended = imported.shell.run("gallery", "export", file)
    assert (ended.code, ended.output) == (0, f"6 slices written to {file}.\n")
    with np.load(file, allow_pickle=False) as archive:
        assert set(archive["sop_instance_uid"]) == set(imported.uids)
        norms = np.linalg.norm(archive["embedding"], axis=1)
        assert sorted(archive["label"]) == ["", "", "", "", "bleed", "glioma"]
    np.testing.assert_allclose(norms, 1, atol=1e-5)


def test_an_export_that_cannot_be_written_says_so(imported: Imported, tmp_path: Path) -> None:
    ended = imported.shell.run("gallery", "export", tmp_path / "nowhere" / "gallery.npz")
    assert ended.code == 1
    assert "nowhere" in ended.errors
    assert list(tmp_path.iterdir()) == []


def test_the_worker_logs_json_and_keeps_its_weights(imported: Imported) -> None:
    assert imported.embedded.code == 0
    lines = [json.loads(line) for line in imported.embedded.errors.splitlines()]
    assert {line["action"] for line in lines} >= {"ready", "batch"}
    assert sum(line.get("instances", 0) for line in lines) == 6
    assert "ZQ-" not in imported.embedded.errors
    (kept,) = (imported.shell.folder / "state" / "encoders").iterdir()
    assert (
        kept.read_bytes()
        == Path(imported.shell.settings["PRECUNEUS_ENCODER__CHECKPOINT"]).read_bytes()
    )
