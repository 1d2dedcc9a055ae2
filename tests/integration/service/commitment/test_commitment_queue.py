from pydicom.uid import CTImageStorage
from sqlalchemy import Engine, text

from dicom_node.commitment import CommitmentRequest, ReferencedObject
from service.commitment import queue
from service.peers import Peer, add_peer
from tests.support.stored import count_rows

REQUEST = CommitmentRequest("1.2", (ReferencedObject(str(CTImageStorage), "1.2.3.4.5"),))


def test_the_pauses_grow_and_end(engine: Engine) -> None:
    pauses = []
    with engine.begin() as connection:
        assert not queue.enqueue(connection, "PACS", REQUEST)
        add_peer(connection, Peer("pacs", "PACS", "127.0.0.1", 104))
        assert queue.enqueue(connection, "PACS", REQUEST)
        for _ in range(queue.MAXIMUM_ATTEMPTS):
            due = queue.claim_due(connection)
            assert due is not None
            assert (due.peer_name, due.request) == ("pacs", REQUEST)
            pauses.append(queue.postpone(connection, due))
            assert queue.claim_due(connection) is None
            connection.execute(text("UPDATE commitment SET next_attempt_at = now()"))
    assert pauses[:3] == [5.0, 10.0, 20.0]
    assert pauses[-2:] == [3600.0, None]
    assert count_rows(engine, "commitment") == 0


def test_what_is_asked_again_meanwhile_is_told_again(engine: Engine) -> None:
    with engine.begin() as connection:
        add_peer(connection, Peer("pacs", "PACS", "127.0.0.1", 104))
        queue.enqueue(connection, "PACS", REQUEST)
        due = queue.claim_due(connection)
        assert due is not None
        queue.enqueue(connection, "PACS", REQUEST)
        queue.settle(connection, due)
        again = queue.claim_due(connection)
        assert again is not None
        queue.settle(connection, again)
    assert count_rows(engine, "commitment") == 0
