"""Patience with peers, in a time that the tests make."""

import pytest

from dicom_node.network.deadlines import Deadlines, Patience
from tests.unit.dicom_node.upper_layer.acceptors import Acceptor
from tests.unit.dicom_node.upper_layer.wire import (
    C_STORE_RQ,
    COMMAND,
    DATASET,
    LAST,
    association_request,
    command,
    p_data,
    store_message,
)

LIMITS = Deadlines(request_s=10, idle_s=100, pdu_s=20, send_s=5, close_s=2, minimum_rate=100)
BEGUN = p_data(command(C_STORE_RQ), COMMAND | LAST)


class Peer:
    """An association whose peer speaks at times of the test's choosing."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.acceptor = Acceptor(at_once=at_once)
        self.patience = Patience(LIMITS, now=0)

    def says(self, data: bytes, now: float) -> None:
        self.acceptor.feed(data)
        self.patience.heard(len(data), self.acceptor.association, now)

    def overdue(self, now: float) -> str | None:
        return self.patience.overdue(self.acceptor.association, now)


@pytest.fixture
def peer() -> Peer:
    made = Peer()
    made.says(association_request(), now=5)
    return made


def test_the_request_has_its_time_from_the_connection_on() -> None:
    slow = Peer()
    slow.says(association_request()[:20], now=9)
    assert slow.overdue(10) is None
    assert slow.overdue(10.1) == "no association request within 10 s"


def test_a_peer_may_be_silent_between_pdus(peer: Peer) -> None:
    assert peer.overdue(105) is None
    assert peer.overdue(105.1) == "nothing came for 100 s"


def test_a_pdu_has_its_time_whatever_drips_in(peer: Peer) -> None:
    for number, now in enumerate(range(10, 31, 2)):
        peer.says(BEGUN[number : number + 1], now)
        assert peer.overdue(now) is None
    assert peer.overdue(30.1) == "a PDU was not complete within 20 s"


def test_a_message_of_whole_pdus_has_a_minimum_rate(peer: Peer) -> None:
    peer.says(BEGUN, now=10)
    for now in range(11, 30):
        peer.says(p_data(b"\0" * 100, DATASET), now)
        assert peer.overdue(now) is None
    assert peer.overdue(30) is None
    peer.says(p_data(b"\0" * 100, DATASET), now=40)
    assert peer.overdue(50) == "a message came at less than 100 bytes a second"


def test_nobody_is_blamed_while_we_answer() -> None:
    peer = Peer(at_once=False)
    peer.says(association_request(), now=0)
    peer.says(store_message(b"ab"), now=1)
    assert peer.overdue(1000) is None


def test_after_our_answer_the_time_begins_anew(peer: Peer) -> None:
    peer.says(store_message(b"ab"), now=10)
    peer.patience.heard(0, peer.acceptor.association, 500)
    assert peer.overdue(599) is None
    assert peer.overdue(601) == "nothing came for 100 s"


def test_unread_answers_and_late_endings() -> None:
    patience = Patience(LIMITS, now=0)
    patience.sent(1, has_unsent=True, progressed=False)
    patience.sent(4, has_unsent=True, progressed=True)
    assert not patience.is_unread(9)
    assert patience.is_unread(9.1)
    patience.sent(9, has_unsent=False, progressed=True)
    assert not patience.is_unread(100)
    assert not patience.is_over(100)
    patience.closes(100)
    patience.closes(101)
    assert patience.is_over(102.1)
