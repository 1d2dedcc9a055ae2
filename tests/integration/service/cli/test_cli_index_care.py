"""`index verify`, `index retry-failed` and `index rebuild`, as a user gives them."""

from sqlalchemy import create_engine, text

from tests.integration.service.cli.conftest import Imported
from tests.support.commands import Shell


def change(shell: Shell, statement: str) -> None:
    engine = create_engine(shell.settings["PRECUNEUS_DATABASE__URL"])
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_a_sound_gallery(imported: Imported) -> None:
    found = imported.shell.run("index", "verify", "--recompute", 4)
    assert found.code == 0
    assert "6 instances, 6 slices of encoder msnet-" in found.output
    assert "files: 6 instance; 6 read whole" in found.output
    assert "recall@10 1.0000" in found.output
    assert "slices embedded anew" in found.output
    assert "Nothing is wrong." in found.output


def test_vectors_that_the_encoder_would_not_compute_are_found(imported: Imported) -> None:
    shell = imported.shell
    turn = (
        "UPDATE embedding SET coordinates = (SELECT CAST(array_agg(-v ORDER BY n) AS vector) FROM"
        " unnest(CAST(coordinates AS real[])) WITH ORDINALITY AS t(v, n))"
    )
    change(shell, turn)
    try:
        assert shell.run("index", "verify").code == 0
        found = shell.run("index", "verify", "--recompute", 20, "--json")
        assert found.code == 1
        assert [fault["kind"] for fault in found.json()["faults"]] == ["vector differs"]
    finally:
        change(shell, turn)


def test_a_fault_is_said_with_what_to_do(imported: Imported) -> None:
    shell = imported.shell
    job = f"(SELECT instance_id FROM instance WHERE sop_instance_uid = '{imported.uids[0]}')"
    change(shell, f"INSERT INTO embedding_job (instance_id) VALUES ({job})")
    found = shell.run("index", "verify")
    assert found.code == 1
    assert "job left: 1 jobs of instances that do not wait" in found.errors
    assert imported.uids[0] in found.errors
    mended = shell.run("index", "verify", "--repair")
    assert (mended.code, "repaired: job left: 1" in mended.output) == (0, True)


def test_an_index_is_rebuilt(imported: Imported) -> None:
    found = imported.shell.run("index", "rebuild", "--json")
    assert found.code == 0
    assert found.json()["bytes_after"] > 0
    assert imported.shell.run("index", "rebuild", "--processes", 0).code == 0
    assert imported.shell.run("index", "verify").code == 0


def test_failed_instances_are_queued_again_by_reason(imported: Imported) -> None:
    shell = imported.shell
    uids = imported.uids[:3]
    for uid, reason in zip(uids, ("disk 100% full", "no codec", "no codec"), strict=True):
        change(
            shell,
            f"UPDATE instance SET state = 'failed', reason = '{reason}'"
            f" WHERE sop_instance_uid = '{uid}'",
        )
    shown = shell.run("index", "retry-failed", "--dry-run", "--json").json()
    assert shown == {"queued": 0, "reasons": {"no codec": 2, "disk 100% full": 1}}
    assert shell.run("index", "retry-failed", "--reason", "100%", "--json").json()["queued"] == 1
    assert shell.run("index", "retry-failed", "--reason", "other", "--json").json()["queued"] == 0
    rest = shell.run("index", "retry-failed")
    assert (rest.code, "2 failed instances are queued again." in rest.output) == (0, True)
    assert shell.run("index", "verify", "--repair").code == 0
    assert shell.run("worker", "run", "--once").code == 0
    assert shell.run("index", "verify").code == 0
