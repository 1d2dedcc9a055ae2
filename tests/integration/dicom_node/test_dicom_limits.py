"""How many may come, how large and how long it may be, and what is kept free."""

from collections.abc import Callable

import psutil

from dicom_node.network.deadlines import Deadlines
from dicom_node.network.gate import Limits
from dicom_node.observer import AssociationStage
from dicom_node.receive import ReceivedObject, Registration
from dicom_node.storing import StorageLimits
from dicom_node.upper_layer.command_set import STATUS, parse_command
from tests.integration.dicom_node.conftest import RunningNode
from tests.support.objects import ct_dataset
from tests.support.raw_peers import RawPeer
from tests.support.waiting import eventually
from tests.unit.dicom_node.samples import encoded
from tests.unit.dicom_node.upper_layer.wire import (
    DATASET,
    LAST,
    association_request,
    p_data,
    store_message,
)

MB = 1 << 20


def test_one_address_has_its_own_limit(start_node: Callable[..., RunningNode]) -> None:
    running = start_node(limits=Limits(associations=9, associations_per_peer=1))
    with (
        RawPeer(running.port) as first,
        RawPeer(running.port) as second,
        RawPeer(running.port, source="127.0.0.2") as elsewhere,
    ):
        assert (first.associate(), second.associate(), elsewhere.associate()) == (2, 3, 2)
    (rejected,) = [e for e in running.counter.events if e.stage is AssociationStage.REJECTED]
    assert rejected.reason == "more than 1 associations at a time from one address"
    assert (rejected.peer, rejected.calling_ae_title) == ("127.0.0.1", "PEER")


def test_an_idle_association_is_ended(start_node: Callable[..., RunningNode]) -> None:
    running = start_node(deadlines=Deadlines(idle_s=0.5))
    with RawPeer(running.port) as peer:
        assert peer.associate() == 0x02
        answer = peer.pdu()
        assert answer is not None
        assert answer[0] == 0x07
    eventually(lambda: running.counter.events[-1].reason == "nothing came for 0.5 s", "recorded")


def test_a_disk_that_fills_is_told_before_it_is_full(
    start_node: Callable[..., RunningNode],
) -> None:
    running = start_node(storage=StorageLimits(free_bytes=1 << 60))
    whole = encoded(ct_dataset(sop_instance_uid="1.2.3"))
    with RawPeer(running.port) as peer:
        assert peer.associate() == 0x02
        assert peer.store(whole, "1.2.3") == 0xA700
        assert peer.store(whole, "1.2.3") == 0xA700
    assert list(running.store.path("").glob("*/*.*")) == []


def test_large_objects_take_no_memory(start_node: Callable[..., RunningNode]) -> None:
    running = start_node()
    beginning = encoded(ct_dataset(sop_instance_uid="1.2.3", PixelData=None))
    pixels = 48 * MB
    header = beginning + b"\xe0\x7f\x10\x00OW\0\0" + pixels.to_bytes(4, "little")
    rest = b"\0" * pixels
    before = psutil.Process().memory_info().rss
    with RawPeer(running.port) as peer:
        assert peer.associate() == 0x02
        for _ in range(3):
            peer.begin_store("1.2.3")
            assert store_in_pieces(peer, header, rest) == 0x0000
    # Three times the same: one object of 48 MB, of which nothing stays in memory.
    assert psutil.Process().memory_info().rss < before + 24 * MB
    (stored,) = running.gallery.objects
    assert stored.file.size > pixels
    assert stored.header.has_pixel_data


def store_in_pieces(peer: RawPeer, header: bytes, rest: bytes) -> int:
    peer.send(p_data(header, DATASET))
    whole = memoryview(rest)
    for start in range(0, len(rest), 1 << 16):
        is_last = start + (1 << 16) >= len(rest)
        piece = bytes(whole[start : start + (1 << 16)])
        peer.send(p_data(piece, DATASET | (LAST if is_last else 0)))
    answer = peer.pdu()
    assert answer is not None
    return parse_command(answer[1][6:]).number(STATUS)


def test_requests_that_come_before_the_answer_are_served_in_turn(running: RunningNode) -> None:
    datasets = [encoded(ct_dataset(sop_instance_uid="1.2.3")), b"ab"]
    with RawPeer(running.port) as peer:
        peer.send(association_request() + b"".join(map(store_message, datasets)))
        kinds = [answer[0] for answer in (peer.pdu(), peer.pdu(), peer.pdu()) if answer]
        assert kinds == [0x02, 0x04, 0x04]
        peer.release()
    assert running.counter.statuses == [0xC000]
    eventually(lambda: len(running.counter.events) == 2, "recorded")
    ended = running.counter.events[-1]
    assert (ended.stage, ended.answered) == (AssociationStage.RELEASED, {0x0000: 1, 0xC000: 1})
    assert ended.received_bytes > 8192


def test_a_peer_that_leaves_before_the_answer_leaves_a_whole_object(
    start_node: Callable[..., RunningNode],
) -> None:
    registered: list[ReceivedObject] = []

    def register(received: ReceivedObject) -> Registration:
        registered.append(received)
        return Registration.STORED

    running = start_node(register=register)
    with RawPeer(running.port) as peer:
        assert peer.associate() == 0x02
        peer.send(store_message(encoded(ct_dataset(sop_instance_uid="1.2.3"))))
    eventually(lambda: len(registered) == 1, "registered all the same")
    assert running.store.path(registered[0].file.name).exists()
