from pathlib import Path

from tests.support.commands import Shell


def table(shell: Shell, *lines: str, head: str = "study_instance_uid,label,source") -> Path:
    file = shell.folder / "labels.csv"
    file.write_text("\n".join([head, *lines]))
    return file


def test_labels_report_to_scripts(shell: Shell) -> None:
    file = table(shell, "1.2,glioma,board")
    expected = {"recorded": 1, "replaced": 0, "unchanged": 0, "subjects": 1, "waiting": 1}
    trial = shell.run("gallery", "label", file, "--dry-run", "--json")
    assert trial.json() == {**expected, "dry_run": True}
    assert shell.run("gallery", "label", file, "--json").json() == {**expected, "dry_run": False}
    again = shell.run("gallery", "label", file)
    assert "0 labels recorded, 0 replaced, 1 unchanged, of 1 instances or studies" in again.output


def test_a_trial_says_so(shell: Shell) -> None:
    ended = shell.run("gallery", "label", table(shell, "1.2,glioma,board"), "--dry-run")
    assert (ended.code, "Nothing is recorded." in ended.output) == (0, True)
    assert shell.run("gallery", "labels", "--json").json() == []


def test_all_faults_in_a_table_are_told_with_their_lines(shell: Shell) -> None:
    file = table(shell, "1.2,glioma,", "Winterbottom,glioma,", "1.3,,")
    ended = shell.run("gallery", "label", file)
    assert (ended.code, ended.output) == (2, "")
    assert "labels.csv: nothing is imported, since 2 lines" in ended.errors
    assert "line 3: that is not a UID" in ended.errors
    assert "line 4: a UID and a label are needed" in ended.errors
    assert "Winterbottom" not in ended.errors
    for_scripts = shell.run("gallery", "label", file, "--json")
    assert for_scripts.code == 2
    assert [fault["line"] for fault in for_scripts.json()["faults"]] == [3, 4]


def test_a_table_that_is_too_large_is_told_what_to_do(shell: Shell) -> None:
    file = table(shell, "1.2,glioma,", "1.3,glioma,")
    most = {"PRECUNEUS_LABELS__MAXIMUM_LINES": "1"}
    ended = shell.run("gallery", "label", file, **most)
    assert (ended.code, ended.output) == (2, "")
    assert "labels.csv: nothing is imported, since it has more than 1 lines" in ended.errors
    assert "PRECUNEUS_LABELS__MAXIMUM_LINES" in ended.errors
    assert shell.run("gallery", "labels", "--json").json() == []


def test_what_is_said_of_a_study_and_was(shell: Shell) -> None:
    shell.run("gallery", "label", table(shell, "1.2,bleed,report"))
    shell.run("gallery", "label", table(shell, "1.2,glioma,report"))
    now = shell.run("gallery", "labels", "--study", "1.2", "--json").json()
    assert (now["in_gallery"], [one["label"] for one in now["labels"]]) == (False, ["glioma"])
    number = now["labels"][0]["label_id"]

    gone = shell.run("gallery", "withdraw-label", number, "--why", "another study's report")
    assert gone.code == 0
    assert f"Label {number} has been withdrawn" in gone.output
    assert shell.run("gallery", "labels", "--study", "1.2", "--json").json()["labels"] == []

    history = shell.run("gallery", "labels", "--study", "1.2", "--history")
    assert "not in the gallery yet" in history.output
    assert "replaced" in history.output
    assert "another study's report" in history.output


def test_the_labels_in_use(shell: Shell) -> None:
    head = "sop_instance_uid,label,scheme,code,meaning"
    shell.run("gallery", "label", table(shell, "1.2,cyst,99WARD,C1,A cyst", head=head))
    assert "99WARD C1" in shell.run("gallery", "labels").output
    (entry,) = shell.run("gallery", "labels", "--json").json()
    assert (entry["label"], entry["waiting"]) == ("cyst", 1)
    one = shell.run("gallery", "labels", "--instance", "1.2")
    assert "99WARD C1 A cyst" in one.output


def test_wrong_usage_says_what_to_do(shell: Shell) -> None:
    both = shell.run("gallery", "labels", "--study", "1.2", "--instance", "1.3")
    assert (both.code, "Name one of" in both.errors) == (2, True)
    unknown = shell.run("gallery", "withdraw-label", 7, "--why", "typo")
    assert (unknown.code, "no label 7" in unknown.errors) == (1, True)
    assert shell.run("gallery", "withdraw-label", 7).code == 2
