"""What real peers leave in the record: dcmtk's programs, and sockets that misbehave."""

import socket
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from dicom_node.network.deadlines import Deadlines
from service.associations.listing import Selection, list_associations
from service.associations.words import words_of
from service.known_peers import KnownPeers
from service.peers import Peer, add_peer
from service.settings import Settings
from tests.integration.service.associations.conftest import RecordedNode
from tests.support.association_records import rows
from tests.support.objects import ct_dataset, write_file
from tests.support.peers import echoscu, storescu
from tests.support.raw_peers import RawPeer
from tests.support.waiting import PATIENCE_S, eventually
from tests.unit.dicom_node.samples import encoded

pytestmark = pytest.mark.usefixtures("dcmtk")
CT = "1.2.840.10008.5.1.4.1.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"


def words(node: RecordedNode) -> str:
    """What an administrator reads of the one line there is."""
    node.row()
    with node.engine.connect() as connection:
        (record,) = list_associations(connection, Selection(), 10)
    return words_of(record)


def dcmtk(*command: object) -> None:
    subprocess.run(
        list(map(str, command)), capture_output=True, check=False, timeout=PATIENCE_S, text=True
    )


def test_a_good_peer_leaves_who_when_and_how_much(node: RecordedNode, tmp_path: Path) -> None:
    dataset = ct_dataset(patient_id="ZQ-4711")
    dataset.PatientName = "Wojciechowski^Zofia"
    paths = [write_file(tmp_path / "1.dcm", dataset)]
    before = datetime.now(UTC)
    storescu(node.port, paths, lambda path: None)
    row = node.row()
    assert (row.outcome, row.reason, row.connections) == ("released", None, 1)
    assert (row.calling_ae_title, row.called_ae_title) == ("STORESCU", "PRECUNEUS")
    assert (row.address, row.tls) == ("127.0.0.1", None)
    assert (row.answers, row.failed_answers) == ({"0x0000": 1}, 0)
    assert row.received_bytes > paths[0].stat().st_size - 1000
    assert row.accepted_contexts >= 1
    assert before - timedelta(seconds=1) <= row.started_at < row.ended_at <= datetime.now(UTC)
    assert words(node) == ""
    # Of the patient, of the object: nothing.
    told = str(tuple(row))
    for value in ("ZQ-4711", "Wojciechowski", str(dataset.SOPInstanceUID), "20240131"):
        assert value not in told


def test_a_wrong_called_title_is_counted_with_what_ours_is(node: RecordedNode) -> None:
    for _ in range(3):
        assert echoscu(node.port, called="ARCHIVE").returncode != 0
    found = node.rows(3)
    # More than one line only where the minute changed meanwhile.
    assert len(found) < 3
    for row in found:
        assert row.outcome == "rejected"
        assert row.reason == "called AE title was ARCHIVE, ours is PRECUNEUS"
        assert (row.calling_ae_title, row.called_ae_title) == ("ECHOSCU", "ARCHIVE")


def test_an_unknown_peer_is_told_with_the_command_that_admits_it(
    start: Callable[..., RecordedNode], engine: Engine, settings: Settings
) -> None:
    with engine.begin() as connection:
        add_peer(connection, Peer("pacs", "PACS", "127.0.0.1", 104))
    with KnownPeers(engine, settings.dicom) as known:
        node = start(vet=known.vet)
        assert echoscu(node.port).returncode != 0
        said = words(node)
    assert said.startswith("calling AE title ECHOSCU is not among the known peers: ")
    assert "precuneus node peers add NAME --ae-title ECHOSCU --host 127.0.0.1" in said


def test_a_wrong_transfer_syntax_is_named(node: RecordedNode, tmp_path: Path) -> None:
    path = write_file(tmp_path / "1.dcm", ct_dataset(), DEFLATED)
    dcmtk("storescu", "-xd", "-R", "-aec", "PRECUNEUS", "127.0.0.1", node.port, path)
    row = node.row()
    assert f"{CT} with {DEFLATED}" in row.first_refused_contexts
    assert row.refused_contexts >= 1
    assert "CT Image Storage with Deflated Explicit VR Little Endian" in words(node)


def test_an_abort_of_the_peer_is_told(node: RecordedNode) -> None:
    dcmtk("echoscu", "--abort", "-aec", "PRECUNEUS", "127.0.0.1", node.port)
    row = node.row()
    assert (row.outcome, row.answers) == ("aborted", {"0x0000": 1})
    assert "A-ABORT of source 0" in row.reason


def test_refused_objects_are_counted_by_status(node: RecordedNode) -> None:
    with RawPeer(node.port) as peer:
        assert peer.associate() == 0x02
        whole = encoded(ct_dataset(sop_instance_uid="1.2.3"))
        assert peer.store(whole, "1.2.3") == 0x0000
        assert peer.store(whole, "1.2.4") == 0xA900
        assert peer.store(b"\x01\x02\x03", "1.2.5") >> 12 == 0xC
        peer.release()
    row = node.row()
    assert row.answers["0x0000"] == row.answers["0xA900"] == 1
    assert (row.outcome, row.failed_answers) == ("released", 2)
    assert "1 refused with 0xA900 (SOP Class or Instance UID" in words(node)


def test_an_association_is_there_while_it_runs(node: RecordedNode, engine: Engine) -> None:
    with RawPeer(node.port) as peer:
        assert peer.associate() == 0x02
        eventually(lambda: len(rows(engine)) == 1, "it is recorded while it runs")
        (running,) = rows(engine)
        assert (running.outcome, running.ended_at) == ("running", None)
        peer.release()
    assert node.row().association_id == running.association_id


def test_connect_and_close_by_the_hundred_is_a_line_or_two(node: RecordedNode) -> None:
    for _ in range(300):
        socket.create_connection(("127.0.0.1", node.port)).close()
    found = node.rows(300)
    assert sum(row.connections for row in found) == 300
    assert len(found) <= 3
    for row in found:
        assert (row.outcome, row.calling_ae_title, row.address) == ("lost", None, "127.0.0.1")


def test_what_speaks_no_dicom_is_told(start: Callable[..., RecordedNode]) -> None:
    node = start(deadlines=Deadlines(close_s=0.3))
    with RawPeer(node.port) as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n")
        assert peer.is_let_go()
    row = node.row()
    assert (row.outcome, row.calling_ae_title) == ("aborted", None)
    assert "the peer seems to speak HTTP" in words(node)


def test_a_peer_that_falls_silent_is_told(start: Callable[..., RecordedNode]) -> None:
    node = start(deadlines=Deadlines(idle_s=0.3, close_s=0.3))
    with RawPeer(node.port) as peer:
        assert peer.associate() == 0x02
        assert peer.is_let_go()
    row = node.row()
    assert (row.outcome, row.reason) == ("aborted", "nothing came for 0.3 s")
