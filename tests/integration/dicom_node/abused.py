"""A node that is abused while a good sender uses it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from dicom_node.network.deadlines import Deadlines
from dicom_node.network.gate import Limits
from tests.support.raw_peers import GoodSender
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.integration.dicom_node.conftest import RunningNode

MB = 1 << 20
# Short deadlines only where a test is about them: a busy machine makes honest peers slow, too.
HURRIED = Deadlines(request_s=2, pdu_s=2, close_s=0.5, minimum_rate=1024)
PATIENT = Deadlines(send_s=1, close_s=0.5)
FEW = Limits(half_open=24)
OTHER_ADDRESS = "127.0.0.2"


@dataclass
class Abused:
    """A node that a good sender uses."""

    node: "RunningNode"
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
