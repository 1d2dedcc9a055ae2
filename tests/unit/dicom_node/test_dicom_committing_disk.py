"""What a disk may do to objects while they are being committed."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from pydicom.uid import CTImageStorage

from dicom_node import committing
from dicom_node.errors import OutOfResources
from dicom_node.incoming import IncomingFile
from dicom_node.receive import AnnouncedObject, Outcome, ReceivedObject, Registration
from tests.support.waiting import eventually
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


@pytest.mark.parametrize(("room", "is_on_disk"), [(1 << 20, True), (0, False)])
def test_a_small_object_by_itself_is_on_the_disk_before_its_rows_are_written(
    node: Node, monkeypatch: pytest.MonkeyPatch, room: int, is_on_disk: bool
) -> None:
    monkeypatch.setattr(committing, "_SMALL_BYTES", room)
    seen: list[tuple[bool, list[str]]] = []

    def register(
        group: Sequence[ReceivedObject], on_disk: Callable[[], None] | None, *_: object
    ) -> list[Outcome]:
        seen.append((on_disk is None, node.files()))
        if on_disk is not None:
            on_disk()
        return [Registration.STORED] * len(group)

    node.receiver.register_group = register
    node.submit(node.begin("1.2.1"), "1.2.1")
    node.await_outcomes("1.2.1")
    assert seen == [(is_on_disk, [".dcm" if is_on_disk else ".part"])]


def test_a_small_object_that_the_disk_refuses_is_never_registered(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_file: IncomingFile) -> None:
        raise OutOfResources("the disk is broken")

    monkeypatch.setattr(IncomingFile, "sync", fail)
    node.submit(node.begin("1.2.1"), "1.2.1")
    node.await_outcomes("1.2.1")
    assert isinstance(node.outcomes["1.2.1"], OutOfResources)
    assert node.register.groups == []
    assert node.files() == []


def test_a_file_is_held_until_its_peer_was_answered(node: Node) -> None:
    file, held = node.begin("1.2.1"), list[bool]()
    announced = AnnouncedObject(CTImageStorage, "1.2.1")
    node.committer.submit(
        file, announced, "PEER", lambda _: held.append(node.store.is_held(file.name))
    )
    eventually(lambda: bool(held), "it is answered")
    eventually(lambda: not node.store.is_held(file.name), "it is let go")
    assert held == [True]
