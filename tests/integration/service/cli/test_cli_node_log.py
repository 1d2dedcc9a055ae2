"""`precuneus node log`, on a record that is made up."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from tests.support.association_records import made_record, write
from tests.support.commands import PRECUNEUS, Shell, environment_of
from tests.support.databases import away
from tests.support.waiting import PATIENCE_S, eventually

NOW = datetime.now(UTC)
WRONG = "called AE title was [red]X, ours is PRECUNEUS"


@pytest.fixture(autouse=True)
def _record(engine: Engine) -> None:
    """A good association of yesterday, and refusals of just now."""
    yesterday = NOW - timedelta(days=1)
    rejected = {"outcome": "rejected", "reason": WRONG, "called_ae_title": "[red]X", "answers": {}}
    scan = {"outcome": "lost", "calling_ae_title": None, "reason": "the connection broke"}
    write(
        engine,
        made_record(started_at=yesterday, ended_at=yesterday + timedelta(seconds=90)),
        made_record(started_at=NOW, ended_at=NOW, calling_ae_title="CT 1", **rejected),
        made_record(started_at=NOW + timedelta(seconds=1), ended_at=NOW, connections=300, **scan),
    )


def test_a_table_for_people_the_newest_last(shell: Shell) -> None:
    shown = shell.run("node", "log")
    assert shown.code == 0, shown.errors
    good, rejected, scanned = (
        shown.output.index(sign) for sign in ("MODALITY → PRECUNEUS", "CT 1 → [red]X", "lost × 300")
    )
    assert good < rejected < scanned
    assert "12 × 0x0000" in shown.output
    assert "90.0 s" in shown.output


def test_json_for_scripts_and_what_is_selected(shell: Shell) -> None:
    everything = shell.run("node", "log", "--json").json()
    assert [line["calling_ae_title"] for line in everything] == ["MODALITY", "CT 1", None]
    (refused,) = shell.run("node", "log", "--refused", "--json").json()
    assert (refused["outcome"], refused["words"]) == ("rejected", WRONG)
    assert len(shell.run("node", "log", "--since", "1h", "--json").json()) == 2
    (of_ct,) = shell.run("node", "log", "--calling-ae-title", "CT 1", "--json").json()
    assert of_ct["called_ae_title"] == "[red]X"
    (lost,) = shell.run("node", "log", "--outcome", "lost", "--json").json()
    assert lost["connections"] == 300
    (newest,) = shell.run("node", "log", "--limit", "1", "--json").json()
    assert newest == lost


def test_a_summary_counts_reasons(shell: Shell) -> None:
    scanned, rejected = shell.run("node", "log", "--summary", "--json").json()
    assert (scanned["what"], scanned["count"]) == ("lost", 300)
    assert (rejected["reason"], rejected["count"], rejected["addresses"]) == (WRONG, 1, 1)
    shown = shell.run("node", "log", "--summary", "--refused").output
    assert WRONG in shown
    assert "300" not in shown


@pytest.mark.parametrize(
    "options",
    [
        *(("--since", "yesterday"), ("--limit", "0"), ("--outcome", "refused")),
        *(("--summary", "--follow"), ("--unknown",)),
    ],
)
def test_wrong_usage(shell: Shell, options: tuple[str, ...]) -> None:
    assert shell.run("node", "log", *options).code == 2


def test_without_a_database_it_fails(shell: Shell, cluster_url: str, database_url: str) -> None:
    with away(cluster_url, database_url):
        failed = shell.run("node", "log")
    assert failed.code == 1
    assert "database" in failed.errors


@contextmanager
def following(shell: Shell, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """`node log --follow`, until the end of this context; its lines go to files of the shell's."""
    with (shell.folder / "lines").open("w") as lines, (shell.folder / "said").open("w") as said:
        process = subprocess.Popen(
            [*PRECUNEUS, "node", "log", "--follow", *options],
            env=environment_of(shell.settings),
            cwd=shell.folder,
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=said,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def test_following_tells_each_as_it_ends_though_the_database_goes_away(
    shell: Shell, engine: Engine, cluster_url: str, database_url: str
) -> None:
    lines, said = shell.folder / "lines", shell.folder / "said"
    running = made_record(outcome="running", ended_at=None, calling_ae_title="LONG")
    with following(shell, "--json") as process:
        eventually(lambda: lines.read_text().count("\n") == 3, "it tells what there is")
        write(engine, running)
        write(engine, made_record(started_at=NOW, ended_at=NOW, calling_ae_title="NEW"))
        eventually(lambda: lines.read_text().count("\n") == 4, "it tells what is new")
        with away(cluster_url, database_url):
            eventually(lambda: "does not answer" in said.read_text(), "it says that it waits")
        write(
            engine,
            made_record(association_id=running.association_id, calling_ae_title="LONG"),
        )
        eventually(lambda: lines.read_text().count("\n") == 5, "it goes on")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130
    told = [json.loads(line)["calling_ae_title"] for line in lines.read_text().splitlines()]
    assert told == ["MODALITY", "CT 1", None, "NEW", "LONG"]


def test_following_for_people_is_a_line_each(shell: Shell) -> None:
    lines = shell.folder / "lines"
    with following(shell, "--refused"):
        eventually(lambda: lines.read_text().count("\n") == 1, "it tells what was refused")
    assert "CT 1 → [red]X  rejected" in lines.read_text()
    assert WRONG in lines.read_text()
