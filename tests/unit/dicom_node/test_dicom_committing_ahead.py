"""What a committer does while the database commits."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event, Timer
from typing import Any

import pytest

from dicom_node import committing
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
        assert meanwhile is not None
        if on_disk is not None:
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


def test_nobody_who_was_looked_at_ahead_is_forgotten_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "_USUAL_ELEMENTS", 1)
    node, is_closing = Node(tmp_path), Event()
    examine = node.receiver.examine

    def examine_late(*given: Any, max_elements: int, **named: Any) -> ReceivedObject:
        if max_elements > 1:
            assert is_closing.wait(30)
        return examine(*given, max_elements=max_elements, **named)

    monkeypatch.setattr(node.receiver, "examine", examine_late)

    def register(
        group: Sequence[ReceivedObject],
        on_disk: Callable[[], None] | None,
        meanwhile: Callable[[], None] | None,
    ) -> list[Outcome]:
        if on_disk is not None:
            on_disk()
        if meanwhile is not None:
            meanwhile()
        return [Registration.STORED] * len(group)

    node.receiver.register_group = register
    # More than a group takes, all with a header that is read apart.
    uids = {f"1.2.{number}" for number in range(1, 301)}
    for uid in sorted(uids):
        node.submit(node.begin(uid), uid)
    node.committer.start()
    # The registrar has come to the end of the work when the last of them are examined.
    Timer(1, is_closing.set).start()
    node.committer.close()
    assert node.outcomes.keys() == uids
