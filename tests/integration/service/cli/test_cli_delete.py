from tests.support.commands import Shell
from tests.support.objects import ct_dataset, write_file


def test_a_study_is_deleted_by_command(shell: Shell) -> None:
    datasets = [ct_dataset(seed=n, study_instance_uid="1.2.3", patient_id="ZQ-1") for n in (1, 2)]
    for number, dataset in enumerate(datasets):
        write_file(shell.folder / "files" / f"{number}.dcm", dataset)
    assert shell.run("gallery", "import", "files").code == 0
    asked = shell.run("gallery", "delete", "--study", "1.2.3")
    assert (asked.code, "Delete 2 instances of study 1.2.3?" in asked.errors) == (1, True)
    uid = str(datasets[0].SOPInstanceUID)
    one = shell.run("gallery", "delete", "--instance", uid, "--yes", "--why", "blurred")
    assert (one.code, one.output) == (0, "1 instances deleted, 1 files removed from the disk.\n")
    kept = {"PRECUNEUS_GALLERY__KEEP_DELETED_DAYS": "3"}
    rest = shell.run("gallery", "delete", "--study", "1.2.3", "--yes", "--json", **kept)
    assert rest.json() == {"deleted": 1, "files_removed": 0}
    assert len(list((shell.folder / "state" / "objects").rglob("*.dcm"))) == 1
    gone = shell.run("gallery", "delete", "--study", "1.2.3", "--yes")
    assert (gone.code, "nothing of study 1.2.3" in gone.errors) == (1, True)


def test_what_to_delete_must_be_said(shell: Shell) -> None:
    assert shell.run("gallery", "delete", "--yes").code == 2
    assert shell.run("gallery", "delete", "--study", "1", "--series", "2", "--yes").code == 2


def test_a_deleted_study_is_nowhere(shell: Shell) -> None:
    for number in (1, 2):
        dataset = ct_dataset(seed=number, study_instance_uid="1.2.3", patient_id="ZQ-1")
        write_file(shell.folder / "files" / f"{number}.dcm", dataset)
    kept = ct_dataset(seed=3, study_instance_uid="1.2.4", patient_id="ZQ-2")
    write_file(shell.folder / "files" / "3.dcm", kept)
    assert shell.run("gallery", "import", "files").code == 0
    assert shell.run("worker", "run", "--once").code == 0
    assert shell.run("gallery", "delete", "--study", "1.2.3", "--yes").code == 0
    found = shell.run("index", "verify", "--deep", "--json")
    assert found.code == 0
    looked = found.json()["looked"]
    assert (looked["instances"], looked["slices"], looked["contents"]) == (1, 1, 1)
    assert looked["files"] == {"instance": 1, "quarantined": 0}
