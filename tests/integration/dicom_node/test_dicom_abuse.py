"""Peers that do everything wrong, while a good one goes on sending and is not harmed."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import psutil
import pytest
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian

from dicom_node.network.deadlines import Deadlines
from dicom_node.network.gate import Limits
from dicom_node.storing import StorageLimits
from tests.integration.dicom_node.conftest import RunningNode
from tests.support.objects import ct_dataset
from tests.support.raw_peers import GoodSender, RawPeer
from tests.support.waiting import eventually
from tests.unit.dicom_node.samples import encoded
from tests.unit.dicom_node.upper_layer.wire import (
    ABORT,
    C_ECHO_RQ,
    COMMAND,
    DATASET,
    LAST,
    association_request,
    command,
    p_data,
    pdu,
)

MB = 1 << 20
# Short deadlines only where a test is about them: a busy machine makes honest peers slow, too.
HURRIED = Deadlines(request_s=2, pdu_s=2, close_s=0.5, minimum_rate=1024)
PATIENT = Deadlines(send_s=1, close_s=0.5)
FEW = Limits(half_open=24)
OTHER_ADDRESS = "127.0.0.2"


@dataclass
class Abused:
    """A node that a good sender uses."""

    node: RunningNode
    good: GoodSender

    @property
    def port(self) -> int:
        return self.node.port

    def reasons(self) -> list[str]:
        """Why associations ended, but for the good sender's."""
        return [event.reason for event in list(self.node.counter.events) if event.reason]

    def await_reason(self, text: str, count: int = 1) -> None:
        eventually(lambda: sum(text in reason for reason in self.reasons()) >= count, text)

    def await_no_unfinished(self) -> None:
        objects = self.node.store.path("")
        # The good sender has one under way now and then.
        eventually(lambda: not list(objects.glob("*/*.part")), "nothing unfinished is left")


hurried = pytest.mark.parametrize("abused", [HURRIED], indirect=True, ids=["hurried"])


@pytest.fixture
def abused(
    request: pytest.FixtureRequest, start_node: Callable[..., RunningNode]
) -> Iterator[Abused]:
    """A node with deadlines as the test's parameter says."""
    deadlines = getattr(request, "param", PATIENT)
    node = start_node(deadlines=deadlines, limits=FEW, storage=StorageLimits(object_bytes=MB))
    good = GoodSender(node.port)
    before = psutil.Process().memory_info().rss
    with good.sending():
        yield Abused(node, good)
    assert psutil.Process().memory_info().rss < before + 64 * MB


NOISE = {
    "random bytes": (np.random.default_rng(5).bytes(20000), "unknown type"),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: node\r\n\r\n", "unknown type 0x47"),
    "TLS hello": (b"\x16\x03\x01\x02\x00" + b"\x01" * 512, "unknown type 0x16"),
    "4 GB, silent": (struct.pack(">BxL", 1, 0xFFFFFFFF), "a PDU of 4294967295 bytes"),
    "data before an association": (p_data(b"ab", 3), "may not come now"),
    "half a request": (association_request()[:40], "no association request within 2 s"),
    "nothing": (b"", "no association request within 2 s"),
}


@hurried
@pytest.mark.parametrize("name", NOISE)
def test_who_never_associates_is_let_go(abused: Abused, name: str) -> None:
    noise, reason = NOISE[name]
    with RawPeer(abused.port, source=OTHER_ADDRESS) as peer:
        peer.send(noise)
        assert peer.is_let_go()
    abused.await_reason(reason)


STORE = command(0x0001, sop_instance_uid="1.2.3")
HALF = p_data(STORE, COMMAND | LAST) + p_data(b"half", DATASET)
BROKEN = {
    "4 GB, silent": (struct.pack(">BxL", 4, 0xFFFFFFFF), "a PDU of 4294967295 bytes"),
    "a stall inside a PDU": (HALF[:-2], "a PDU was not complete within 2 s"),
    "a stall inside a message": (HALF, "less than 1024 bytes a second"),
    "a value that does not fit": (pdu(4, b"\0\0\0\x09\1\3ab"), "does not fit"),
    "a context nobody accepted": (p_data(STORE, 3, context_id=9), "was not accepted"),
    "a command inside a dataset": (HALF + p_data(STORE, 3), "a command inside a dataset"),
    "a second request": (association_request(), "may not come now"),
    "an unknown PDU": (pdu(9, b"abcd"), "unknown type"),
}


@hurried
@pytest.mark.parametrize("name", BROKEN)
def test_who_breaks_the_protocol_is_aborted(abused: Abused, name: str) -> None:
    data, reason = BROKEN[name]
    with RawPeer(abused.port, source=OTHER_ADDRESS) as peer:
        assert peer.associate() == 0x02
        peer.send(data)
        answer = peer.pdu()
        assert answer is not None
        assert answer[0] == 0x07
        assert peer.is_let_go()
    abused.await_reason(reason)
    abused.await_no_unfinished()


@pytest.mark.parametrize("kind", [1, 4])
def test_a_flood_behind_a_huge_length_is_cut_off(abused: Abused, kind: int) -> None:
    with RawPeer(abused.port, source=OTHER_ADDRESS) as peer:
        if kind == 4:
            assert peer.associate() == 0x02
        peer.send(struct.pack(">BxL", kind, 0xFFFFFFFF))
        sent = flood(peer, b"\0" * MB, 200)
    assert sent < 200
    abused.await_reason("a PDU of 4294967295 bytes")


def flood(peer: RawPeer, data: bytes, times: int) -> int:
    """Send again and again; how often before the node put an end to it."""
    for number in range(times):
        try:
            peer.send(data)
        except ConnectionError:
            return number
    return times


def test_a_dataset_without_an_end_is_cut_off(abused: Abused) -> None:
    with RawPeer(abused.port, source=OTHER_ADDRESS) as peer:
        assert peer.associate() == 0x02
        peer.begin_store("1.2.3")
        assert flood(peer, p_data(b"\0" * 65536, DATASET), 2000) < 2000
    abused.await_reason("a dataset without an end")
    abused.await_no_unfinished()


def test_an_object_that_is_too_large_is_refused_and_the_next_is_served(abused: Abused) -> None:
    with RawPeer(abused.port, source=OTHER_ADDRESS) as peer:
        assert peer.associate() == 0x02
        assert peer.store(b"\0" * (MB + 2), "1.2.3") == 0xC000
        whole = encoded(ct_dataset(sop_instance_uid="1.2.4"))
        assert peer.store(whole, "1.2.4") == 0x0000
    abused.await_no_unfinished()


@hurried
def test_a_drip_inside_a_pdu_is_given_up(abused: Abused) -> None:
    with RawPeer(abused.port, source=OTHER_ADDRESS) as peer:
        assert peer.associate() == 0x02
        peer.send(p_data(b"\0" * 10000, COMMAND)[:12])
        assert drip(peer, b"\0\0") < 120
    abused.await_reason("a PDU was not complete within 2 s")


@hurried
def test_a_drip_of_whole_pdus_is_given_up(abused: Abused) -> None:
    with RawPeer(abused.port, source=OTHER_ADDRESS) as peer:
        assert peer.associate() == 0x02
        peer.begin_store("1.2.3")
        assert drip(peer, p_data(b"\0\0", DATASET)) < 120
    abused.await_reason("less than 1024 bytes a second")


def drip(peer: RawPeer, drop: bytes) -> int:
    """A drop now and then; how many before the node put an end to it."""
    for number in range(120):
        try:
            peer.send(drop)
        except ConnectionError:
            return number
        time.sleep(0.3)
    return 120


@hurried
def test_half_open_connections_keep_nobody_out(abused: Abused) -> None:
    peers = [RawPeer(abused.port, source=OTHER_ADDRESS) for _ in range(200)]
    try:
        abused.good.goes_on()
        abused.await_reason("the oldest gave way", 200 - FEW.half_open - 2)
        abused.await_reason("no association request within 2 s")
    finally:
        for peer in peers:
            peer.socket.close()


def test_connecting_and_closing_keeps_nobody_out(abused: Abused) -> None:
    for _ in range(300):
        RawPeer(abused.port, source=OTHER_ADDRESS).socket.close()
    eventually(lambda: len(abused.reasons()) >= 300, "all of them are recorded")
    abused.await_reason("closed the connection without a release")


@pytest.mark.parametrize("ending", ["FIN", "RST", "A-ABORT"])
def test_a_sender_that_breaks_off_leaves_nothing(abused: Abused, ending: str) -> None:
    with RawPeer(abused.port, source=OTHER_ADDRESS) as peer:
        assert peer.associate() == 0x02
        peer.send(HALF)
        if ending == "A-ABORT":
            peer.send(ABORT)
        if ending == "RST":
            linger = struct.pack("ii", 1, 0)
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    ends = {"FIN": "without a release", "RST": "connection broke", "A-ABORT": "A-ABORT of source 0"}
    abused.await_reason(ends[ending])
    abused.await_no_unfinished()


def test_answers_that_are_not_read_end_the_association(abused: Abused) -> None:
    echoes = p_data(command(C_ECHO_RQ), COMMAND | LAST) * 2000
    with RawPeer(abused.port, source=OTHER_ADDRESS, small=True) as peer:
        assert peer.associate() == 0x02
        assert flood(peer, echoes, 5000) < 5000
    abused.await_reason("our answers were not read")


def test_the_same_object_on_four_associations_is_stored_once(abused: Abused) -> None:
    whole = encoded(ct_dataset(sop_instance_uid="1.2.3"))
    statuses: list[int] = []

    def send() -> None:
        with RawPeer(abused.port) as peer:
            assert peer.associate() == 0x02
            statuses.append(peer.store(whole, "1.2.3"))
            peer.release()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [0x0000] * 4
    known = [o for o in abused.node.gallery.objects if o.header.sop_instance_uid == "1.2.3"]
    assert len(known) == 1


def test_a_deflated_object_has_no_context_to_come_in(abused: Abused) -> None:
    deflated = (str(CTImageStorage), [str(DeflatedExplicitVRLittleEndian)])
    with RawPeer(abused.port, source=OTHER_ADDRESS) as peer:
        assert peer.associate(association_request(deflated)) == 0x02
        peer.begin_store("1.2.3")
        assert peer.is_let_go()
    abused.await_reason("a presentation context that was not accepted")


def test_a_uid_that_is_a_path_is_refused(abused: Abused) -> None:
    uid = "../../../tmp/precuneus"
    with RawPeer(abused.port, source=OTHER_ADDRESS) as peer:
        assert peer.associate() == 0x02
        assert peer.store(encoded(ct_dataset(sop_instance_uid=uid)), uid) == 0xC000
        assert peer.store(encoded(ct_dataset(sop_instance_uid=uid)), "1.2.3") == 0xC000
    abused.await_no_unfinished()
