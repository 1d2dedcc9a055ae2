"""Files that the system syncs beside us."""

import ctypes
import errno
import gc
import os
import sys
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from dicom_node.arrival import Arrival
from dicom_node.background_sync import BackgroundSyncs, PendingSync
from dicom_node.errors import OutOfResources
from dicom_node.files import ObjectStore
from dicom_node.receive import AnnouncedObject, Registration
from tests.support.waiting import eventually
from tests.unit.dicom_node.samples import EXPLICIT
from tests.unit.dicom_node.test_dicom_committing import Node
from tests.unit.dicom_node.test_dicom_committing_disk import is_in_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its asynchronous I/O is Linux's")


@pytest.fixture
def background() -> BackgroundSyncs:
    found = BackgroundSyncs.of_this_system()
    assert found is not None
    return found


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    made.committer.start()
    yield made
    made.register.gate.set()
    made.committer.close()


def are_written(paths: Iterable[Path]) -> bool:
    """Whether the disk has the files: what it lacks cannot be dropped from the system's memory.

    To drop it is only advice, which one or the other page may escape.
    """
    kept = [has_unwritten_pages(path) for path in paths]
    return sum(kept) < len(kept) / 2


def has_unwritten_pages(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    return is_in_memory(path)


def test_many_files_are_synced_at_once(background: BackgroundSyncs, tmp_path: Path) -> None:
    descriptors, pending = [], []
    for number in range(64):
        descriptor = os.open(tmp_path / str(number), os.O_CREAT | os.O_RDWR)
        os.write(descriptor, bytes(8192))
        descriptors.append(descriptor)
        pending.append(background.begin(descriptor))
    for sync in pending:
        assert sync is not None
        sync.wait()
        sync.wait()
    for descriptor in descriptors:
        os.close(descriptor)
    assert are_written(tmp_path.iterdir())


def test_what_the_disk_refuses_is_said(background: BackgroundSyncs) -> None:
    reading, writing = os.pipe()
    sync = background.begin(writing)
    assert sync is not None
    for _ in range(2):
        with pytest.raises(OSError, match="Invalid argument") as refused:
            sync.wait()
        assert refused.value.errno == errno.EINVAL
    os.close(reading)
    os.close(writing)


def test_who_goes_without_waiting_leaves_the_system_its_request(
    background: BackgroundSyncs, tmp_path: Path
) -> None:
    descriptor = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR)
    sync = background.begin(descriptor)
    assert sync is not None
    request = weakref.ref(sync._request)
    del sync
    gc.collect()
    left = request()
    assert left is not None
    assert background.outcome(left) == 0
    del left
    assert request() is None
    os.close(descriptor)


def test_what_cannot_be_begun_is_left_to_the_caller(background: BackgroundSyncs) -> None:
    assert background.begin(-1) is None


def test_a_file_is_synced_beside_and_its_failure_found(
    background: BackgroundSyncs, tmp_path: Path
) -> None:
    file = ObjectStore(tmp_path).begin(b"", EXPLICIT)
    file.write(b"abc")
    file.flush()
    # A pipe in its place cannot be synced.
    reading, writing = os.pipe()
    os.dup2(writing, file._descriptor)
    arrival = Arrival(file, AnnouncedObject("1.2", "1.2.1"), "PEER", lambda _: None)
    file.begin_sync(background)
    arrival.publish()
    assert isinstance(arrival.failure, OutOfResources)
    file.discard()
    os.close(reading)
    os.close(writing)


def test_what_was_not_handed_on_yet_is_synced_too(
    background: BackgroundSyncs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    begin = background.begin

    def note(descriptor: int) -> PendingSync | None:
        sizes.append(os.fstat(descriptor).st_size)
        return begin(descriptor)

    monkeypatch.setattr(background, "begin", note)
    file = ObjectStore(tmp_path).begin(b"", EXPLICIT)
    file.write(bytes(8192))
    file.begin_sync(background)
    file.sync()
    assert sizes == [file.size]
    file.discard()


def test_a_descriptor_stays_open_while_the_system_syncs_it(
    background: BackgroundSyncs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    close, outcome = os.close, background.outcome

    def note_close(descriptor: int) -> None:
        steps.append("close")
        close(descriptor)

    def note_outcome(request: ctypes.Array[ctypes.c_char]) -> int:
        steps.append("synced")
        return outcome(request)

    file = ObjectStore(tmp_path).begin(b"", EXPLICIT)
    monkeypatch.setattr(background, "outcome", note_outcome)
    monkeypatch.setattr(os, "close", note_close)
    file.begin_sync(background)
    file.discard()
    assert steps == ["synced", "close"]


def test_who_comes_while_others_are_registered_is_synced_by_the_system(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    begin = BackgroundSyncs.begin

    def note(syncs: BackgroundSyncs, descriptor: int) -> object:
        begun.append(descriptor)
        return begin(syncs, descriptor)

    monkeypatch.setattr(BackgroundSyncs, "begin", note)
    node.register.gate.clear()
    uids = [f"1.2.{number}" for number in range(1, 9)]
    for uid in uids:
        node.submit(node.begin(uid), uid)
        eventually(lambda: not node.committer._is_idle, "the first is being registered")
    node.register.gate.set()
    node.await_outcomes(*uids)
    assert len(begun) == len(uids) - 1
    assert set(node.outcomes.values()) == {Registration.STORED}
    assert are_written(node.store.path("").rglob("*.dcm"))
