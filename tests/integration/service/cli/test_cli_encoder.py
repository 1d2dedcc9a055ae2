"""`precuneus encoder …` and `precuneus index …` as they are typed."""

from pathlib import Path

from tests.support.commands import Shell
from tests.support.objects import ct_dataset, write_file


def test_an_encoder_is_changed_by_commands(shell: Shell, other_file: Path) -> None:
    for number in range(6):
        dataset = ct_dataset(seed=number, patient_id=f"ZQ-{number}")
        write_file(shell.folder / "files" / f"{number}.dcm", dataset)
    shell.run("gallery", "import", "files")
    assert shell.run("worker", "run", "--once").code == 0

    registered = shell.run("encoder", "register", other_file, "--json").json()
    assert (registered["encoder_id"], registered["state"]) == (2, "registered")
    too_early = shell.run("encoder", "activate", "2")
    assert (too_early.code, "index reindex --encoder 2" in too_early.errors) == (1, True)

    begun = shell.run("index", "reindex", "--encoder", "2", "--json").json()
    assert (begun["phase"], begun["instances"], begun["done"]) == ("filling", 6, 0)
    assert "0 of 6 instances" in shell.run("index", "status").output
    assert "is cancelled" in shell.run("index", "reindex", "--cancel").output
    assert shell.run("index", "reindex", "--encoder", other_file.stem).code == 0
    worked = shell.run("worker", "run", "--once", PRECUNEUS_REINDEX__SHARE="1")
    assert worked.code == 0, worked.errors

    status = shell.run("index", "status", "--json").json()
    assert (status["reindex"]["phase"], status["reindex"]["done"]) == ("passed", 6)
    assert [e["state"] for e in status["encoders"]] == ["active", "ready"]
    shown = shell.run("encoder", "show", "2").output
    assert "coverage: 6 of 6 instances" in shown
    assert "mAP: not measured" in shown
    activated = shell.run("encoder", "activate", "2").output
    first = shell.run("encoder", "list", "--json").json()[0]["name"]
    assert f"`encoder activate {first}` rolls back" in activated
    assert shell.run("gallery", "stats", "--json").json()["slices"] == 6
    assert shell.run("encoder", "activate", first, "--json").json()["encoder"] == first
    assert "is retired" in shell.run("encoder", "retire", "2").output
    assert "retired" in shell.run("encoder", "list").output
    assert shell.run("doctor").code in (0, 1)


def test_wrong_usage_and_unknown_encoders_have_their_codes(shell: Shell, tmp_path: Path) -> None:
    shell.run("db", "upgrade")
    neither = shell.run("index", "reindex")
    assert (neither.code, "--encoder" in neither.errors) == (2, True)
    none_active = shell.run("index", "reindex", "--encoder", "1")
    assert (none_active.code, "start the worker" in none_active.errors) == (1, True)
    unknown = shell.run("encoder", "show", "msnet-nobody")
    assert (unknown.code, "encoder list" in unknown.errors) == (1, True)
    damaged = tmp_path / "msnet-0123456789ab.safetensors"
    damaged.write_bytes(b"damaged")
    refused = shell.run("encoder", "register", damaged)
    assert (refused.code, "damaged or exchanged" in refused.errors) == (1, True)
    assert "No reindex" in shell.run("index", "reindex", "--cancel").errors
    assert shell.run("encoder", "list", "--json").json() == []
    nothing = {"reindex": None, "encoders": [], "recall": None}
    assert shell.run("index", "status", "--json").json() == nothing
