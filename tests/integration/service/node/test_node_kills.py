"""The node is killed again and again while objects arrive; what it acknowledged is all there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text

from dicom_node.files import ObjectStore
from tests.integration.service.node.conftest import NodeProcess
from tests.support.objects import ct_dataset
from tests.support.raw_peers import RawPeer
from tests.support.waiting import eventually
from tests.unit.dicom_node.samples import encoded

SENDERS, ROUNDS, SOAK_ROUNDS = 4, 5, 100


class Senders:
    """Peers that send until the node is gone, and remember what it acknowledged."""

    def __init__(self, port: int) -> None:
        self.acknowledged: set[str] = set()
        self._port = port

    @contextmanager
    def sending(self, number: int) -> Iterator[None]:
        """One round; the node must be killed within."""
        threads = [
            threading.Thread(target=self._send, args=(f"1.2.{number + 1}.{sender + 1}",))
            for sender in range(SENDERS)
        ]
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.join()

    def await_more(self, count: int) -> None:
        """Return as soon as so many more have been acknowledged."""
        enough = len(self.acknowledged) + count
        eventually(lambda: len(self.acknowledged) >= enough, "enough arrived", pause_s=0.001)

    def _send(self, root: str) -> None:
        series = {"study_instance_uid": root, "series_instance_uid": f"{root}.0"}
        try:
            with RawPeer(self._port) as peer:
                assert peer.associate() == 0x02
                for number in range(1, 100_000):
                    uid = f"{root}.{number}"
                    whole = encoded(ct_dataset(sop_instance_uid=uid, **series))
                    assert peer.store(whole, uid) == 0x0000
                    self.acknowledged.add(uid)
        except (OSError, AssertionError):
            return


@pytest.mark.timeout(7200)
def test_what_was_acknowledged_survives_every_kill(
    node: NodeProcess, engine: Engine, store: ObjectStore, soak: bool
) -> None:
    senders, dice = Senders(node.port), np.random.default_rng(1)
    for number in range(SOAK_ROUNDS if soak else ROUNDS):
        node.start()
        with senders.sending(number):
            senders.await_more(int(dice.integers(1, 60)))
            node.kill()
    node.start()
    eventually(lambda: '"action": "recovered"' in last_run(node), "it has recovered")
    assert node.stop() == 0
    rows = stored(engine)
    assert senders.acknowledged <= rows.keys()
    described = {uid: store.describe(row.file_name)[0] for uid, row in rows.items()}
    assert {uid: (f.size, f.sha256) for uid, f in described.items()} == {
        uid: (row.file_size, bytes(row.sha256)) for uid, row in rows.items()
    }
    assert set(store.names()) == {row.file_name for row in rows.values()}
    assert list(store.path("").glob("*/*.part")) == []


def last_run(node: NodeProcess) -> str:
    return node.log.read_text().rpartition("node.started")[2]


def stored(engine: Engine) -> dict[str, Any]:
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT sop_instance_uid, file_name, file_size, sha256 FROM instance")
        ).all()
        assert connection.execute(text("SELECT count(*) FROM conflict")).scalar_one() == 0
    return {row.sop_instance_uid: row for row in rows}
