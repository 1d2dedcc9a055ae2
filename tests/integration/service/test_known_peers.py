"""Who may associate with the node, as the table of known peers says."""

import pytest
from sqlalchemy import Engine

from dicom_node.peers import Caller
from service.known_peers import KnownPeers
from service.peers import Peer, add_peer, remove_peer
from service.settings import DicomSettings
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
