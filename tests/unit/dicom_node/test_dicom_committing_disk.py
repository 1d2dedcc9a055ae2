"""What a disk may do to objects while they are being committed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_node.incoming import IncomingFile
from dicom_node.receive import Registration
from tests.unit.dicom_node.test_dicom_committing import Node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    made.committer.start()
    yield made
    made.committer.close()


def test_a_disk_that_takes_no_advice_takes_objects(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "posix_fadvise", refuse)
    node.submit(node.begin("1.2.1"), "1.2.1")
    node.await_outcomes("1.2.1")
    assert node.outcomes["1.2.1"] is Registration.STORED
    assert node.files() == [".dcm"]


def test_a_file_that_does_not_close_holds_up_nobody(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, close = node.begin("1.2.1"), IncomingFile.close

    def fail(closed: IncomingFile) -> None:
        close(closed)
        if closed is file:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(IncomingFile, "close", fail)
    node.submit(file, "1.2.1")
    node.await_outcomes("1.2.1")
    node.submit(node.begin("1.2.2"), "1.2.2")
    node.await_outcomes("1.2.2")
    assert set(node.outcomes.values()) == {Registration.STORED}


def test_a_file_that_cannot_be_deleted_is_let_go(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    file = node.begin("1.2.1", b"no dataset")
    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        node.submit(file, "1.2.1")
        node.await_outcomes("1.2.1")
    (left,) = node.store.path("").rglob("*.part")
    assert not node.store.is_held(f"{left.parent.name}/{left.name}")
