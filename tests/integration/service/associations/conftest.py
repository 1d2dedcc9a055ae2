"""A real node on a free port, whose record goes into the test's gallery."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine

from dicom_node.receive import Receiver
from dicom_node.scp import NodeConfig, StorageNode
from service.associations.observing import RecordingObserver
from service.associations.recorder import AssociationRecorder
from service.metrics import NodeMetrics
from tests.support.association_records import rows
from tests.support.waiting import eventually


@dataclass(frozen=True)
class RecordedNode:
    """`dropped` are the numbers of lines that were lost."""

    node: StorageNode
    engine: Engine
    dropped: list[int]

    @property
    def port(self) -> int:
        return self.node.port

    def rows(self, connections: int) -> list[Any]:
        """The record, once it tells of so many connections that have ended."""

        def ended() -> int:
            found = rows(self.engine)
            return sum(row.connections for row in found if row.outcome != "running")

        eventually(lambda: ended() >= connections, f"{connections} connections are recorded")
        return rows(self.engine)

    def row(self) -> Any:
        """The one line of the record, once its association has ended."""
        (found,) = self.rows(1)
        return found


@pytest.fixture
def start(engine: Engine, take: Receiver) -> Iterator[Callable[..., RecordedNode]]:
    """Starts nodes; `most_waiting` bounds the lines that wait, the rest is for the node."""
    with ExitStack() as stack:

        def run(*, most_waiting: int = 100, vet: Any = None, **config: Any) -> RecordedNode:
            dropped: list[int] = []
            recorder = AssociationRecorder(
                engine, dropped.append, pause_s=0.05, most_waiting=most_waiting
            )
            stack.enter_context(recorder)
            observer = RecordingObserver(NodeMetrics(), recorder)
            vetting = {} if vet is None else {"vet": vet}
            node = StorageNode(NodeConfig(port=0, **config), take, observer, **vetting)
            node.start()
            stack.callback(node.stop)
            return RecordedNode(node, engine, dropped)

        yield run


@pytest.fixture
def node(start: Callable[..., RecordedNode]) -> RecordedNode:
    return start()
