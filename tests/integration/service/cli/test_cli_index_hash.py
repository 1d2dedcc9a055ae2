"""`index hash`, as a user gives it."""

from tests.integration.service.cli.conftest import Imported


def test_codes_are_made_measured_and_dropped(imported: Imported) -> None:
    shell = imported.shell
    assert "no codes" in shell.run("index", "hash").output
    assert shell.run("index", "hash", "--measure", 5).code == 1
    assert shell.run("index", "hash", "--bits", 100).code == 2
    assert shell.run("index", "hash", "--bits", 64, "--learnt").code == 2
    made = shell.run("index", "hash", "--bits", 64, "--measure", 5, "--json")
    assert made.code == 0
    codes, measured = made.json()["codes"], made.json()["measured"]
    assert (codes["bits"], codes["codes"], codes["slices"], codes["is_ready"]) == (64, 6, 6, True)
    assert {one["search"] for one in measured} >= {"exact", "default", "400 by codes"}
    # Six slices are fewer than any number of candidates.
    assert {one["recall"] for one in measured} == {1.0}
    found = shell.run("similar", imported.uids[0], "--hash", "--json")
    assert (found.json()["method"], len(found.json()["neighbours"])) == ("hash", 5)
    told = shell.run("index", "hash")
    assert "6 of 6 slices have codes of 64 bits, fitted to the gallery" in told.output
    assert shell.run("index", "hash", "--drop", "--bits", 64).code == 2
    assert "no codes" in shell.run("index", "hash", "--drop").output
