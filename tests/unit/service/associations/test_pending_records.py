from datetime import timedelta
from uuid import uuid4

from service.associations.pending import PendingRecords
from tests.support.association_records import AT, ended, scanned


def test_an_association_is_one_line_from_beginning_to_end() -> None:
    pending, one = PendingRecords(10), uuid4()
    pending.add(ended("accepted", association_id=one, contexts=2))
    assert pending.running() == [one]
    pending.add(ended("released", association_id=one, contexts=2, answered={0: 5}))
    (line,) = pending.take()
    assert (line.outcome, line.answers, line.accepted_contexts) == ("released", {"0x0000": 5}, 2)
    assert pending.running() == []
    assert pending.take() == []


def test_a_line_tells_when_it_began_and_ended() -> None:
    pending = PendingRecords(10)
    pending.add(ended(at=AT, seconds=5.0))
    pending.add(ended("accepted", at=AT + timedelta(seconds=1), seconds=0.5))
    first, second = pending.take()
    assert (first.started_at, first.ended_at) == (AT - timedelta(seconds=5), AT)
    assert first.seconds == 5.0
    assert (second.ended_at, second.seconds) == (None, None)


def test_a_port_scan_is_one_line_a_minute_and_address() -> None:
    pending = PendingRecords(10)
    for _ in range(300):
        pending.add(scanned(received_bytes=2))
    pending.add(scanned(peer="10.9.9.9"))
    pending.add(scanned(at=AT + timedelta(seconds=30)))
    counted = [(line.address, line.connections, line.received_bytes) for line in pending.take()]
    assert counted == [("10.1.2.3", 300, 600), ("10.9.9.9", 1, 0), ("10.1.2.3", 1, 0)]


def test_a_line_of_the_minute_goes_on_after_it_was_written() -> None:
    pending = PendingRecords(10)
    pending.add(scanned())
    (written,) = pending.take()
    pending.add(scanned(reason="the node stops", at=AT + timedelta(seconds=5)))
    (again,) = pending.take()
    assert again.association_id == written.association_id
    assert again.started_at == written.started_at
    assert (again.connections, again.reason) == (2, "the node stops")
    assert again.ended_at == AT + timedelta(seconds=5)


def test_refusals_of_one_reason_are_counted_and_others_stand_alone() -> None:
    pending = PendingRecords(10)
    for title in ("A", "A", "B"):
        pending.add(ended("rejected", called_ae_title=title, reason=f"called {title}"))
    pending.add(ended("released"))
    pending.add(ended("released"))
    counted = [(line.called_ae_title, line.connections) for line in pending.take()]
    assert counted == [("A", 2), ("B", 1), ("PRECUNEUS", 1), ("PRECUNEUS", 1)]


def test_the_oldest_give_way_and_are_counted() -> None:
    pending = PendingRecords(3)
    for number in range(5):
        pending.add(ended(calling_ae_title=f"M{number}"))
    assert [line.calling_ae_title for line in pending.take()] == ["M2", "M3", "M4"]
    assert pending.take_dropped() == 2
    assert pending.take_dropped() == 0


def test_what_could_not_be_written_waits_before_what_came_since() -> None:
    pending, one = PendingRecords(3), uuid4()
    pending.add(ended(calling_ae_title="OLD"))
    pending.add(ended("accepted", association_id=one, calling_ae_title="LONG"))
    failed = pending.take()
    pending.add(ended("released", association_id=one, calling_ae_title="LONG"))
    pending.add(ended(calling_ae_title="NEW"))
    pending.add(ended(calling_ae_title="NEWER"))
    pending.put_back(failed)
    assert pending.take_dropped() == 1
    waiting = [(line.calling_ae_title, line.outcome) for line in pending.take()]
    assert waiting == [("LONG", "released"), ("NEW", "released"), ("NEWER", "released")]


def test_a_flood_under_ever_new_titles_keeps_within_the_bound() -> None:
    pending = PendingRecords(3)
    for number in range(50):
        pending.add(ended("rejected", calling_ae_title=f"X{number}", reason="unknown"))
    assert len(pending.take()) == 3
    assert pending.take_dropped() == 47


def test_what_a_terminal_would_obey_is_not_kept() -> None:
    pending = PendingRecords(3)
    pending.add(ended("rejected", reason="\x1b[2J\0" + "x" * 1000))
    (line,) = pending.take()
    assert line.reason == "?[2J?" + "x" * 495
