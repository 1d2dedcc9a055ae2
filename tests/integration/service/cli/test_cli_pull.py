from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from dicom_node.scu import send
from tests.support.commands import Shell
from tests.support.dcmqrscp import TITLE, running_dcmqrscp
from tests.support.objects import ct_dataset, write_file


@pytest.mark.usefixtures("dcmtk")
def test_a_study_is_pulled_and_accounted_for_by_commands(shell: Shell, tmp_path: Path) -> None:
    study = str(generate_uid())
    dataset = ct_dataset(patient_id="ZQ-1", study_instance_uid=study, StudyTime="101500")
    file = write_file(tmp_path / "a.dcm", dataset)
    with running_dcmqrscp(tmp_path / "archive", 1) as port:
        assert [result.status for result in send([file], "127.0.0.1", port, TITLE)] == [0]
        peer = ("--ae-title", TITLE, "--host", "127.0.0.1", "--port", port)
        assert shell.run("node", "peers", "add", "pacs", *peer).code == 0
        days = ("--from", "pacs", "--since", "2024-01-31", "--until", "2024-01-31")
        before = shell.run("node", "reconcile", *days, "--json")
        assert (before.code, before.json()["totals"]["missing"]) == (1, 1)

        pulled = shell.run("node", "pull", *days, "--json")
        assert pulled.code == 0, pulled.errors
        report = pulled.json()
        assert (report["by"], report["received"]) == ("get", 1)
        # No node of ours runs here.
        assert "our own node must run" in report["reason"]

        after = shell.run("node", "reconcile", *days)
        assert after.code == 0
        assert study in after.output
        told = pulled.output + pulled.errors + after.output + after.errors
        assert "ZQ-1" not in told
        assert "Nobody" not in told
        forced = shell.run("node", "pull", *days, "--by", "move")
        assert (forced.code, "C-MOVE cannot work" in forced.errors) == (1, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--since"),
        (["--study", "Winterbottom"], "digits and dots"),
        (["--study", "1.2", "--since", "2024-01-01"], "--since"),
        (["--since", "2024-02-01", "--until", "2024-01-01"], "before"),
        (["--since", "2024-02-01", "--hours", "night"], "22-06"),
        (["--since", "2024-02-01", "--rate", "0"], "rate"),
    ],
)
def test_what_is_wrong_usage(shell: Shell, options: list[str], words: str) -> None:
    ended = shell.run("node", "pull", "--from", "pacs", *options)
    assert (ended.code, words in ended.errors) == (2, True), ended.errors


def test_an_unknown_peer(shell: Shell) -> None:
    ended = shell.run("node", "pull", "--from", "nobody", "--since", "2024-01-01")
    assert (ended.code, "No peer nobody" in ended.errors) == (1, True)
