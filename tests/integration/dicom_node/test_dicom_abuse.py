"""Peers that break the protocol, while a good one goes on sending and is not harmed."""

import socket
import struct
import threading

import numpy as np
import pytest
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian

from tests.integration.dicom_node.abused import OTHER_ADDRESS, Abused, hurried
from tests.support.objects import ct_dataset
from tests.support.raw_peers import RawPeer
from tests.unit.dicom_node.samples import encoded
from tests.unit.dicom_node.upper_layer.wire import (
    ABORT,
    COMMAND,
    DATASET,
    LAST,
    association_request,
    command,
    p_data,
    pdu,
)

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
