"""Callers that are not admitted hear so, and the association event says why."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dicom_node.files import ObjectStore
from dicom_node.observer import AssociationStage
from dicom_node.peers import Caller
from dicom_node.receive import Receiver
from dicom_node.scp import NodeConfig, StorageNode
from tests.integration.dicom_node.conftest import Counter
from tests.support.raw_peers import RawPeer
from tests.unit.dicom_node.samples import Gallery
from tests.unit.dicom_node.upper_layer.wire import association_request


@dataclass
class Vetted:
    """A node that knows FRIEND alone."""

    node: StorageNode
    counter: Counter
    asked: list[Caller] = field(default_factory=list)


@pytest.fixture
def vetted(tmp_path: Path) -> Iterator[Vetted]:
    asked: list[Caller] = []

    def vet(caller: Caller) -> str | None:
        asked.append(caller)
        return None if caller.calling_ae_title == "FRIEND" else "nobody knows it"

    counter = Counter()
    receiver = Receiver(ObjectStore(tmp_path), Gallery())
    node = StorageNode(NodeConfig(port=0), receiver, counter, vet=vet)
    node.start()
    yield Vetted(node, counter, asked)
    node.stop()


def test_a_caller_that_is_not_admitted_is_told_so(vetted: Vetted) -> None:
    with RawPeer(vetted.node.port) as peer:
        peer.send(association_request(calling="STRANGER"))
        # Permanently, by the service user, calling AE title not recognised (PS3.8 9.3.4).
        assert peer.pdu() == (0x03, bytes([0, 1, 1, 3]))
        assert peer.is_let_go()
    assert vetted.asked == [Caller("STRANGER", "127.0.0.1")]
    (event,) = vetted.counter.events
    assert (event.stage, event.reason) == (AssociationStage.REJECTED, "nobody knows it")


@pytest.mark.parametrize(("title", "succeeds"), [("FRIEND", True), ("STRANGER", False)])
def test_dcmtk_understands_the_answer(vetted: Vetted, title: str, succeeds: bool) -> None:
    command = ["echoscu", "-v", "-aet", title, "-aec", "PRECUNEUS", "127.0.0.1"]
    found = subprocess.run(
        [*command, str(vetted.node.port)], capture_output=True, text=True, check=False
    )
    assert (found.returncode == 0) is succeeds
    if not succeeds:
        assert "Calling AE Title Not Recognized" in found.stdout + found.stderr
