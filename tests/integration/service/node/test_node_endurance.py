"""What the node takes of the machine stays the same, however large or many the objects are."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine

from dicom_node.upper_layer.command_set import STATUS, parse_command
from tests.integration.service.node.conftest import NodeProcess
from tests.support.objects import ct_dataset
from tests.support.raw_peers import RawPeer
from tests.support.stored import count_rows
from tests.unit.dicom_node.samples import encoded
from tests.unit.dicom_node.upper_layer.wire import DATASET, LAST, p_data

MB = 1 << 20
PEERS, EACH = 10, 5


def send_large(port: int, uid: str, pixels: int, statuses: list[int]) -> None:
    """One object with that many bytes of pixels, which are never all in memory here either."""
    beginning = encoded(ct_dataset(sop_instance_uid=uid, PixelData=None))
    header = beginning + b"\xe0\x7f\x10\x00OW\0\0" + pixels.to_bytes(4, "little")
    piece = p_data(b"\0" * (1 << 16), DATASET)
    with RawPeer(port) as peer:
        assert peer.associate() == 0x02
        peer.begin_store(uid)
        peer.send(p_data(header, DATASET))
        for _ in range(pixels >> 16):
            peer.send(piece)
        peer.send(p_data(b"", DATASET | LAST))
        answer = peer.pdu()
        assert answer is not None
        statuses.append(parse_command(answer[1][6:]).number(STATUS))
        peer.release()


@contextmanager
def highest(node: NodeProcess) -> Iterator[list[int]]:
    """The most memory that the node has during this context, as the list's one entry."""
    ended, most = threading.Event(), [node.usage.memory_info().rss]

    def watch() -> None:
        while not ended.wait(0.02):
            most[0] = max(most[0], node.usage.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()


@pytest.mark.timeout(7200)
def test_memory_does_not_grow_with_the_object(node: NodeProcess, soak: bool) -> None:
    node.start()
    statuses: list[int] = []
    pixels = (500 if soak else 40) * MB
    idle = node.usage.memory_info().rss
    threads = [
        threading.Thread(target=send_large, args=(node.port, f"1.2.{n + 1}", pixels, statuses))
        for n in range(PEERS)
    ]
    with highest(node) as most:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [0x0000] * PEERS
    assert most[0] <= idle + 64 * MB
    assert node.stop() == 0


@pytest.mark.timeout(7200)
def test_a_day_leaves_nothing_behind(node: NodeProcess, engine: Engine, soak: bool) -> None:
    node.start()
    associations = 10_000 if soak else 60
    begun, ended = [], []
    for number in range(associations):
        send_few(node.port, number)
        if number in (associations // 5, associations - 1):
            usage = node.usage
            (begun if number < associations - 1 else ended).extend(
                (usage.num_fds(), usage.num_threads(), usage.memory_info().rss)
            )
    # The last association may not be closed yet.
    assert ended[0] <= begun[0] + 2
    # Housekeeping may have had one of its own in the beginning; the system's for syncs come and go.
    assert ended[1] <= begun[1] + 2
    assert ended[2] <= begun[2] + 16 * MB
    assert count_rows(engine, "instance") == associations * EACH
    assert node.stop() == 0


def send_few(port: int, number: int) -> None:
    with RawPeer(port) as peer:
        assert peer.associate() == 0x02
        for instance in range(EACH):
            uid = f"1.2.{number + 1}.{instance + 1}"
            assert peer.store(encoded(ct_dataset(sop_instance_uid=uid)), uid) == 0x0000
        peer.release()
