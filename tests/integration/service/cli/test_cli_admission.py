"""The commands about admission, and what a bad rule does to all others."""

from pathlib import Path

import pytest

from tests.support.admission import NEURO, head, localizer, screenshot
from tests.support.commands import Shell
from tests.support.objects import write_file

NAME = "PRECUNEUS_GALLERY__ADMIT"
PATIENT = "ZQ-4711"


@pytest.fixture
def files(shell: Shell) -> list[str]:
    """A slice, a localizer, a screenshot, and a text, in the shell's folder."""
    folder = shell.folder / "files"
    made = {"a": head, "b": localizer, "c": screenshot}
    for name, make in made.items():
        write_file(folder / f"{name}.dcm", make(patient_id=PATIENT))
    (folder / "notes.txt").write_text("no DICOM file")
    return [f"files/{name}.dcm" for name in made]


def test_rules_are_said_in_words_and_tried_on_files(shell: Shell, files: list[str]) -> None:
    tried = shell.run("node", "admission", "--check", "files", **{NAME: NEURO})
    assert tried.code == 1
    assert "1. acknowledged, but not kept if Modality is SR or KO\n" in tried.output
    assert "\nEverything else is stored, but not searched.\n" in tried.output
    rows = {line.split("│")[1].strip(): line for line in tried.output.splitlines() if "│" in line}
    assert "admit" in rows[files[0]]
    assert "rule 4" in rows[files[0]]
    assert ("store" in rows[files[1]], "rule 2" in rows[files[1]]) == (True, True)
    assert ("drop" in rows[files[2]], "rule 3" in rows[files[2]]) == (True, True)
    assert "not a DICOM file" in rows["files/notes.txt"]
    assert "1 admit, 1 store, 1 drop, 1 refused" in tried.output
    assert PATIENT not in tried.output + tried.errors
    assert not list((shell.folder / "state").glob("objects/*/*"))


def test_rules_for_scripts(shell: Shell, files: list[str]) -> None:
    two = ("--check", files[0], "--check", files[2])
    tried = shell.run("node", "admission", *two, "--json", **{NAME: NEURO})
    found = tried.json()
    assert (tried.code, found["text"], found["otherwise"]) == (0, NEURO, "store")
    assert [rule["action"] for rule in found["rules"]] == ["drop", "store", "drop", "admit"]
    assert found["files"] == [
        {"path": files[0], "action": "admit", "rule": "rule 4", "fault": None},
        {"path": files[2], "action": "drop", "rule": "rule 3", "fault": None},
    ]
    assert found["totals"] == {"admit": 1, "drop": 1}


def test_other_rules_are_tried_before_they_are_set(shell: Shell, files: list[str]) -> None:
    (shell.folder / "new.txt").write_text("drop calling_ae_title=PACS?\notherwise admit\n")
    options = ("--rules", "@new.txt", "--check", files[0])
    for caller, action in (("PACS1", "drop"), ("PACS", "admit")):
        tried = shell.run("node", "admission", *options, "--calling-ae-title", caller, "--json")
        assert tried.json()["totals"] == {action: 1}
    wrong = shell.run("node", "admission", "--rules", "drop modality=CT")
    assert (wrong.code, "--rules, character 17: say what" in wrong.errors) == (2, True)


def test_a_bad_rule_stops_every_process_and_the_doctor_says_why(shell: Shell) -> None:
    bad = {NAME: "drop modlity=SR; otherwise admit"}
    for command in (("node", "serve"), ("worker", "run", "--once"), ("api", "serve"), ("serve",)):
        ended = shell.run(*command, **bad)
        assert ended.code == 2
        assert f"{NAME}, character 6: `modlity` is not known" in ended.errors
    seen = shell.run("doctor", "--json", **bad)
    (found,) = (one for one in seen.json() if one["subject"] == "admission")
    assert (found["verdict"], seen.code) == ("wrong", 1)
    assert "Did you mean modality?" in found["remedy"]
    missing = shell.run("gallery", "stats", **{NAME: "@nowhere.txt"})
    assert (missing.code, "nowhere.txt, which cannot be read" in missing.errors) == (2, True)


def test_imports_and_changed_rules(shell: Shell, files: list[str], tmp_path: Path) -> None:
    imported = shell.run("gallery", "import", *files, **{NAME: NEURO})
    assert "2 stored" in imported.output
    assert "1 dropped by rule" in imported.output
    everything = {NAME: "otherwise admit"}
    dry = shell.run("gallery", "admit", "--again", "--dry-run", "--json", **everything).json()
    assert (dry["dry_run"], dry["admitted"], dry["welcome"]) == (True, 1, 1)
    done = shell.run("gallery", "admit", "--again", **everything)
    assert done.code == 0
    assert "1 admitted and queued, 0 no longer admitted" in done.output
    assert "1 dropped ones would be kept" in done.output
    (tmp_path / "rules").write_text("store modality=CT\notherwise admit\n")
    out = shell.run("gallery", "admit", "--again", **{NAME: f"@{tmp_path / 'rules'}"})
    assert "2 no longer admitted" in out.output
    assert "2 not admitted: rule 1, store modality=CT" in out.output
    assert shell.run("gallery", "stats", "--json").json()["instances"] == {"unsupported": 2}
    assert shell.run("gallery", "admit").code == 2
