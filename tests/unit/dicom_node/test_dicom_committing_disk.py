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


def test_files_leave_the_systems_memory_once_they_are_synced(node: Node) -> None:
    uids = [f"1.2.{number}" for number in range(1, 9)]
    for uid in uids:
        node.submit(node.begin(uid), uid)
    node.await_outcomes(*uids)
    paths = list(node.store.path("").rglob("*.dcm"))
    assert len(paths) == len(uids)
    # Only advice, which one or the other may escape.
    assert sum(map(is_in_memory, paths)) < len(paths) / 2


def is_in_memory(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.preadv(descriptor, [bytearray(4096)], 0, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False
    except OSError as error:
        pytest.skip(f"the file system does not tell: {error.strerror}")
    finally:
        os.close(descriptor)
