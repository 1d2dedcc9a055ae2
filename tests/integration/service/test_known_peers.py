"""Who may associate with the node, as the table of known peers says."""

import pytest
from sqlalchemy import Engine, event

from dicom_node.peers import Caller
from service.dicom_settings import DicomSettings
from service.known_peers import KnownPeers
from service.peers import Peer, add_peer, remove_peer
from tests.support.waiting import eventually

STRANGER = Caller("STRANGER", "10.1.2.3")


def test_a_change_counts_without_a_restart(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with KnownPeers(engine, DicomSettings(), pause_s=0.01) as known:
        assert known.vet(STRANGER) is None
        assert "NO PEER IS KNOWN" in caplog.text
        with engine.begin() as connection:
            add_peer(connection, Peer("pacs", "PACS", "10.1.2.3", 104))
        eventually(lambda: known.vet(STRANGER) is not None, "strangers are refused")
        assert "not among the known peers" in str(known.vet(STRANGER))
        assert known.vet(Caller("PACS", "10.1.2.3")) is None
        assert "not from 10.0.0.7" in str(known.vet(Caller("PACS", "10.0.0.7")))
        assert known.vet(Caller("PRECUNEUS", "127.0.0.1")) is None
        assert known.vet(Caller("PRECUNEUS", "10.0.0.7")) is not None
        with engine.begin() as connection:
            remove_peer(connection, "pacs")
        eventually(lambda: known.vet(STRANGER) is None, "anybody may come again")


def test_what_cannot_be_read_counts_as_it_was_and_is_read_again(engine: Engine) -> None:
    tries: list[str] = []

    def fail(*_arguments: object) -> None:
        tries.append("failed")
        raise RuntimeError("no error of the database's")

    with engine.begin() as connection:
        add_peer(connection, Peer("pacs", "PACS", "10.1.2.3", 104))
    with KnownPeers(engine, DicomSettings(), pause_s=0.01) as known:
        event.listen(engine, "before_cursor_execute", fail)
        eventually(lambda: len(tries) > 2, "it asks again and again")
        assert known.vet(STRANGER) is not None
        event.remove(engine, "before_cursor_execute", fail)
        with engine.begin() as connection:
            remove_peer(connection, "pacs")
        eventually(lambda: known.vet(STRANGER) is None, "the change is heard of")
