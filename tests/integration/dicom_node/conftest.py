"""A real node on a free port, with a gallery in memory behind it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from dicom_node.configure import configure_pydicom, configure_pynetdicom
from dicom_node.files import ObjectStore
from dicom_node.meta import read_meta
from dicom_node.observer import AssociationEvent
from dicom_node.receive import Receiver, Register
from dicom_node.scp import NodeConfig, StorageNode
from dicom_node.statuses import ActionStatus, GeneralStatus, StoreStatus
from dicom_node.storing import StorageLimits
from dicom_node.tls.keeping import TlsAcceptance
from tests.integration.dicom_node.abused import FEW, MB, PATIENT, Abused
from tests.support.certificates import Certificates
from tests.support.raw_peers import GoodSender
from tests.unit.dicom_node.samples import Gallery

STATED = frozenset({*GeneralStatus, *StoreStatus, *ActionStatus})


class Counter:
    """An observer that remembers what it was told."""

    def __init__(self) -> None:
        self.arrived = 0
        self.seconds: list[float] = []
        self.statuses: list[int] = []
        self.events: list[AssociationEvent] = []

    def received(self) -> None:
        self.arrived += 1

    def stored(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def refused(self, status: int) -> None:
        self.statuses.append(status)

    def association(self, event: AssociationEvent) -> None:
        self.events.append(event)

    def require_stated(self) -> None:
        """Every status that the node answered stands in the conformance statement's tables."""
        answered = {status for event in self.events for status in event.answered}
        assert answered | set(self.statuses) <= STATED


@dataclass(frozen=True)
class RunningNode:
    node: StorageNode
    store: ObjectStore
    gallery: Gallery
    counter: Counter

    @property
    def port(self) -> int:
        assert self.node.port is not None
        return self.node.port

    @property
    def tls_port(self) -> int:
        assert self.node.tls_port is not None
        return self.node.tls_port

    def dataset_of(self, sop_instance_uid: str) -> bytes:
        """The stored bytes of an object, without preamble and file meta."""
        (known,) = [
            known
            for known in self.gallery.objects
            if known.header.sop_instance_uid == sop_instance_uid
        ]
        return without_meta(self.store.path(known.file.name))


def without_meta(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(read_meta(file).dataset_offset)
        return file.read()


@pytest.fixture(autouse=True)
def _configured() -> None:
    configure_pydicom()
    configure_pynetdicom()


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[Callable[..., RunningNode]]:
    with ExitStack() as stack:

        def start(
            root: Path | None = None, register: Register | None = None, **config: Any
        ) -> RunningNode:
            store, gallery, counter = ObjectStore(root or tmp_path / "state"), Gallery(), Counter()
            receiver = Receiver(store, register or gallery)
            node = StorageNode(NodeConfig(port=0, **config), receiver, counter)
            node.start()
            stack.callback(counter.require_stated)
            stack.callback(node.stop)
            return RunningNode(node, store, gallery, counter)

        yield start


@pytest.fixture
def running(start_node: Callable[..., RunningNode]) -> RunningNode:
    return start_node()


@pytest.fixture
def secure(start_node: Callable[..., RunningNode], certificates: Certificates) -> RunningNode:
    """A node that speaks TLS as well, and demands certificates."""
    return start_node(tls=TlsAcceptance(certificates.files, port=0))


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
