"""What a committer does while the database commits."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dicom_node.errors import CannotUnderstand
from dicom_node.receive import Outcome, ReceivedObject, Registration
from tests.unit.dicom_node.test_dicom_committing import Node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    made.committer.start()
    yield made
    made.committer.close()


def test_headers_are_read_while_the_database_commits(node: Node) -> None:
    """Who is refused for it is told at once; the others come next."""
    groups: list[list[str]] = []

    def register(
        group: Sequence[ReceivedObject],
        on_disk: Callable[[], None] | None,
        meanwhile: Callable[[], None] | None,
    ) -> list[Outcome]:
        assert on_disk is not None
        assert meanwhile is not None
        on_disk()
        groups.append([received.header.sop_instance_uid for received in group])
        if len(groups) == 1:
            node.submit(node.begin("1.2.2"), "1.2.2")
            node.submit(node.begin("1.2.3", b"no dataset"), "1.2.3")
            meanwhile()
            meanwhile()
            assert node.outcomes.keys() == {"1.2.3"}
        return [Registration.STORED] * len(group)

    node.receiver.register_group = register
    node.submit(node.begin("1.2.1"), "1.2.1")
    node.await_outcomes("1.2.1", "1.2.2", "1.2.3")
    assert groups == [["1.2.1"], ["1.2.2"]]
    assert isinstance(node.outcomes.pop("1.2.3"), CannotUnderstand)
    assert set(node.outcomes.values()) == {Registration.STORED}
