"""Peers that send too much or too slowly, while a good one goes on sending and is not harmed."""

import struct
import time

import pytest

from tests.integration.dicom_node.abused import FEW, MB, OTHER_ADDRESS, Abused, hurried
from tests.support.objects import ct_dataset
from tests.support.raw_peers import RawPeer
from tests.support.waiting import eventually
from tests.unit.dicom_node.samples import encoded
from tests.unit.dicom_node.upper_layer.wire import (
    C_ECHO_RQ,
    COMMAND,
    DATASET,
    LAST,
    command,
    p_data,
)


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


def test_answers_that_are_not_read_end_the_association(abused: Abused) -> None:
    echoes = p_data(command(C_ECHO_RQ), COMMAND | LAST) * 2000
    with RawPeer(abused.port, source=OTHER_ADDRESS, small=True) as peer:
        assert peer.associate() == 0x02
        assert flood(peer, echoes, 5000) < 5000
    abused.await_reason("our answers were not read")
