"""The node as a process leaves a record that the command shows, across its end and its death."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.settings import Settings
from tests.integration.service.node.conftest import NodeProcess
from tests.support.association_records import rows
from tests.support.commands import Shell, shell_on
from tests.support.peers import echoscu
from tests.support.raw_peers import RawPeer
from tests.support.waiting import eventually


@pytest.fixture
def shell(settings: Settings, database_url: str, checkpoint_file: Path) -> Shell:
    return shell_on(database_url, settings.state_dir.parent, checkpoint_file)


@pytest.mark.usefixtures("dcmtk")
def test_a_wrong_title_is_in_the_log_at_once_and_the_last_word_is_written(
    node: NodeProcess, engine: Engine, shell: Shell
) -> None:
    node.start()
    assert echoscu(node.port, called="ARCHIVE").returncode != 0
    eventually(lambda: bool(shell.run("node", "log", "--refused", "--json").json()), "it is there")
    (refused,) = shell.run("node", "log", "--refused", "--json").json()
    assert refused["words"] == "called AE title was ARCHIVE, ours is PRECUNEUS"
    with RawPeer(node.port) as peer:
        assert peer.associate() == 0x02
        eventually(
            lambda: "running" in {row.outcome for row in rows(engine)}, "the peer is recorded"
        )
        echoed = echoscu(node.port)
        assert echoed.returncode == 0
        peer.release()
    # Ended at once: what was not written yet is written before the process ends.
    assert node.stop() == 0
    titles = {row.calling_ae_title: row.outcome for row in rows(engine) if row.calling_ae_title}
    assert titles["PEER"] == "released"
    assert {row.outcome for row in rows(engine)} <= {"released", "rejected", "lost"}


def test_a_killed_node_leaves_no_association_running_for_ever(
    node: NodeProcess, engine: Engine
) -> None:
    node.start()
    with RawPeer(node.port) as peer:
        assert peer.associate() == 0x02
        eventually(
            lambda: "running" in {row.outcome for row in rows(engine)}, "the peer is recorded"
        )
        node.kill()
    with engine.begin() as connection:
        # As if it were an hour later.
        connection.exec_driver_sql(
            "UPDATE association SET recorded_at = recorded_at - interval '1 hour'"
        )
    node.start()
    eventually(lambda: "running" not in {row.outcome for row in rows(engine)}, "it counts as lost")
    assert node.stop() == 0
