"""The record and its database: away, slow, back; receiving never waits for it."""

import logging
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, event, text

from service.associations.recorder import AssociationRecorder
from tests.integration.service.associations.conftest import RecordedNode
from tests.support.association_records import ended, rows
from tests.support.databases import away
from tests.support.raw_peers import RawPeer
from tests.support.waiting import eventually
from tests.unit.dicom_node.upper_layer.wire import association_request


def associate(port: int, *callers: str) -> None:
    """An association of each caller, which is let alone at once."""
    for caller in callers:
        with RawPeer(port) as peer:
            assert peer.associate(association_request(calling=caller)) == 0x02
            peer.release()


def actions(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [str(vars(record).get("action")) for record in caplog.records]
    return [action for action in found if action.startswith("associations.")]


def test_what_came_while_the_database_was_away_is_written_when_it_is_back(
    node: RecordedNode,
    cluster_url: str,
    database_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "precuneus.node")
    associate(node.port, "BEFORE")
    node.row()
    with away(cluster_url, database_url):
        associate(node.port, "A", "B", "C")
        eventually(lambda: "associations.waiting" in actions(caplog), "the log says so")
    found = node.rows(4)
    assert [row.calling_ae_title for row in found] == ["BEFORE", "A", "B", "C"]
    assert {row.outcome for row in found} == {"released"}
    assert node.dropped == []
    assert actions(caplog) == ["associations.waiting", "associations.written"]


def test_too_many_while_it_is_away_and_the_oldest_are_counted_as_lost(
    start: Callable[..., RecordedNode],
    cluster_url: str,
    database_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "precuneus.node")
    node = start(most_waiting=3)
    with away(cluster_url, database_url):
        associate(node.port, "A", "B", "C", "D", "E")
        eventually(lambda: sum(node.dropped) == 2, "two lines have given way")
    assert [row.calling_ae_title for row in node.rows(3)] == ["C", "D", "E"]
    assert "associations.dropped" in actions(caplog)


def test_nobody_waits_for_a_table_that_is_held(node: RecordedNode, engine: Engine) -> None:
    with engine.begin() as holding:
        holding.execute(text("LOCK TABLE association"))
        associate(node.port, "A", "B", "C")
        holding.execute(text("SELECT 1"))
    assert [row.calling_ae_title for row in node.rows(3)] == ["A", "B", "C"]


def test_many_lines_are_one_statement(engine: Engine) -> None:
    statements: list[str] = []
    recorder = AssociationRecorder(engine, lambda count: None)
    for number in range(200):
        recorder.association(ended(calling_ae_title=f"M{number}"))
    event.listen(
        engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2])
    )
    with recorder:
        pass
    assert len(rows(engine)) == 200
    assert sum(statement.startswith("INSERT") for statement in statements) == 1


def test_a_line_that_the_database_refuses_is_counted_and_the_next_is_written(
    engine: Engine,
) -> None:
    dropped: list[int] = []
    with AssociationRecorder(engine, dropped.append, pause_s=0.01) as recorder:
        recorder.association(ended(received_bytes=1 << 70))
        eventually(lambda: dropped == [1], "it is counted")
        recorder.association(ended(calling_ae_title="NEXT"))
    assert [row.calling_ae_title for row in rows(engine)] == ["NEXT"]


def test_what_runs_gives_a_sign_of_life(engine: Engine) -> None:
    with AssociationRecorder(engine, print, pause_s=0.01, keep_running_s=0.02) as recorder:
        recorder.association(ended("accepted"))
        eventually(lambda: len(rows(engine)) == 1, "it is recorded")
        (first,) = rows(engine)
        eventually(lambda: rows(engine)[0].recorded_at > first.recorded_at, "it is seen again")
    assert [row.outcome for row in rows(engine)] == ["running"]
