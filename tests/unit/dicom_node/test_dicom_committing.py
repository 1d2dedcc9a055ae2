import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from dicom_node.committing import Committer
from dicom_node.errors import CannotUnderstand, DatasetMismatch, OutOfResources
from dicom_node.files import ObjectStore
from dicom_node.incoming import IncomingFile
from dicom_node.receive import AnnouncedObject, Outcome, ReceivedObject, Receiver, Registration
from tests.support.objects import ct_dataset
from tests.support.waiting import eventually
from tests.unit.dicom_node.samples import EXPLICIT, encoded


class Groups:
    """Registers groups as it is told to, and keeps what it was handed."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.outcome: Callable[[ReceivedObject], Outcome] = lambda _: Registration.STORED

    def __call__(
        self,
        group: Sequence[ReceivedObject],
        on_disk: Callable[[], None] | None,
        meanwhile: Callable[[], None],
    ) -> list[Outcome]:
        assert self.gate.wait(30)
        self.groups.append([received.header.sop_instance_uid for received in group])
        if on_disk is not None:
            on_disk()
        return [self.outcome(received) for received in group]


def never(received: ReceivedObject) -> Registration:
    raise AssertionError("objects are registered in groups")


class Node:
    """A committer on a folder, and the outcomes that came from it."""

    def __init__(self, root: Path) -> None:
        self.store = ObjectStore(root)
        self.register = Groups()
        self.receiver = Receiver(self.store, never, self.register)
        self.committer = Committer(self.receiver)
        self.outcomes: dict[str, Outcome] = {}

    def begin(self, uid: str, dataset: bytes | None = None) -> IncomingFile:
        file = self.receiver.begin(
            AnnouncedObject(CTImageStorage, uid), transfer_syntax_uid=EXPLICIT, source="PEER"
        )
        file.write(dataset or encoded(ct_dataset(sop_instance_uid=uid)))
        return file

    def submit(self, file: IncomingFile, uid: str) -> None:
        def done(outcome: Outcome) -> None:
            self.outcomes[uid] = outcome

        self.committer.submit(file, AnnouncedObject(CTImageStorage, uid), "PEER", done)

    def await_outcomes(self, *uids: str) -> None:
        eventually(lambda: self.outcomes.keys() >= set(uids), "they are answered")

    def files(self) -> list[str]:
        return [path.suffix for path in self.store.path("").rglob("*") if path.is_file()]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    made.committer.start()
    yield made
    made.register.gate.set()
    made.committer.close()


def test_objects_that_wait_share_a_commit(node: Node) -> None:
    node.register.gate.clear()
    uids = [f"1.2.{number}" for number in range(1, 7)]
    for uid in uids:
        node.submit(node.begin(uid), uid)
    node.register.gate.set()
    node.await_outcomes(*uids)
    assert set(node.outcomes.values()) == {Registration.STORED}
    assert len(node.register.groups) <= 2
    assert sorted(uid for group in node.register.groups for uid in group) == uids


def test_a_file_that_fails_does_not_fail_the_others(node: Node) -> None:
    node.register.gate.clear()
    uids = ["1.2.1", "1.2.2", "1.2.3"]
    files = {uid: node.begin(uid) for uid in uids}
    files["1.2.2"].flush()
    node.store.path(files["1.2.2"].name).with_suffix(".part").unlink()
    for uid, file in files.items():
        node.submit(file, uid)
    node.register.gate.set()
    node.await_outcomes(*uids)
    failed = node.outcomes.pop("1.2.2")
    assert isinstance(failed, OutOfResources)
    assert "No such file" in str(failed)
    assert set(node.outcomes.values()) == {Registration.STORED}
    assert sorted(set(node.register.groups[-1])) in (["1.2.1", "1.2.3"], ["1.2.3"], ["1.2.1"])


def test_what_is_refused_is_not_registered_and_leaves_no_file(node: Node) -> None:
    other = node.begin("1.2.1")
    node.submit(other, "1.2.2")
    node.submit(node.begin("1.2.3", b"no dataset"), "1.2.3")
    node.await_outcomes("1.2.2", "1.2.3")
    assert isinstance(node.outcomes["1.2.2"], DatasetMismatch)
    assert isinstance(node.outcomes["1.2.3"], CannotUnderstand)
    assert node.register.groups == []
    assert node.files() == []


def long_dataset(uid: str) -> bytes:
    """Has a sequence with more items than a usual header has elements."""
    items = b"\xfe\xff\x00\xe0\0\0\0\0" * 5000
    sequence = b"\x08\x00\x10\x11SQ\0\0\xff\xff\xff\xff" + items + b"\xfe\xff\xdd\xe0\0\0\0\0"
    plain = encoded(ct_dataset(sop_instance_uid=uid))
    place = plain.index(b"\x10\x00\x10\x00")
    return plain[:place] + sequence + plain[place:]


def test_an_unusual_header_is_read_beside_the_others(node: Node) -> None:
    files = {uid: node.begin(uid, long_dataset(uid)) for uid in ("1.2.1", "1.2.2")}
    other = files.pop("1.2.2")
    node.submit(files["1.2.1"], "1.2.1")
    node.submit(node.begin("1.2.3"), "1.2.3")
    node.submit(other, "1.2.4")
    node.await_outcomes("1.2.1", "1.2.3", "1.2.4")
    assert isinstance(node.outcomes.pop("1.2.4"), DatasetMismatch)
    assert set(node.outcomes.values()) == {Registration.STORED}
    assert node.files() == [".dcm"] * 2


def test_what_comes_after_the_end_is_refused(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.committer.start()
    node.committer.close()
    node.submit(node.begin("1.2.1"), "1.2.1")
    assert isinstance(node.outcomes["1.2.1"], OutOfResources)
    assert node.files() == []


def test_nobody_waits_for_the_sync_of_a_large_object(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = threading.Event()
    large, sync = node.begin("1.2.1"), IncomingFile.sync

    def slowly(file: IncomingFile) -> None:
        if file is large:
            assert synced.wait(30)
        sync(file)

    monkeypatch.setattr(IncomingFile, "sync", slowly)
    monkeypatch.setattr("dicom_node.syncing._LARGE_BYTES", large.size - 1)
    small = [node.begin(f"1.2.{n}", encoded(small_dataset(f"1.2.{n}"))) for n in (2, 3)]
    node.submit(large, "1.2.1")
    for number, file in enumerate(small, start=2):
        node.submit(file, f"1.2.{number}")
    node.await_outcomes("1.2.2", "1.2.3")
    assert "1.2.1" not in node.outcomes
    synced.set()
    node.await_outcomes("1.2.1")
    assert set(node.outcomes.values()) == {Registration.STORED}


def small_dataset(uid: str) -> Dataset:
    return ct_dataset(sop_instance_uid=uid, pixels=np.zeros((16, 16), np.int16))


def test_a_file_that_failed_leaves_nothing_behind_where_the_database_failed_too(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_file: IncomingFile) -> None:
        raise OutOfResources("the disk is broken")

    def refuse(group: Sequence[ReceivedObject], *_: object) -> list[Outcome]:
        return [OutOfResources("the database is away")] * len(group)

    monkeypatch.setattr(IncomingFile, "sync", fail)
    node.receiver.register_group = refuse
    node.submit(node.begin("1.2.1"), "1.2.1")
    node.await_outcomes("1.2.1")
    assert node.files() == []


def test_closing_finishes_unusual_headers_too(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.committer.start()
    uids = [f"1.2.{number}" for number in range(1, 5)]
    for uid in uids:
        node.submit(node.begin(uid, long_dataset(uid)), uid)
    node.committer.close()
    assert node.outcomes == dict.fromkeys(uids, Registration.STORED)


@pytest.mark.parametrize(
    ("outcome", "kept"),
    [
        (Registration.STORED, True),
        (Registration.CONFLICT, True),
        (Registration.DUPLICATE, False),
        (OutOfResources("gone"), False),
        (OutOfResources("perhaps", outcome_unknown=True), True),
    ],
)
def test_a_file_stays_where_a_row_may_refer_to_it(node: Node, outcome: Outcome, kept: bool) -> None:
    node.register.outcome = lambda _: outcome
    node.submit(node.begin("1.2.1"), "1.2.1")
    node.await_outcomes("1.2.1")
    assert node.outcomes["1.2.1"] is outcome
    assert node.files() == [".dcm"] * kept


def test_a_defect_keeps_every_file(node: Node) -> None:
    def fail(received: ReceivedObject) -> Outcome:
        raise KeyError("a defect")

    node.register.outcome = fail
    node.submit(node.begin("1.2.1"), "1.2.1")
    node.await_outcomes("1.2.1")
    told = node.outcomes["1.2.1"]
    assert isinstance(told, OutOfResources)
    assert (told.status, told.outcome_unknown) == (0xC000, True)
    assert node.files() == [".dcm"]


def test_closing_finishes_what_was_submitted(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.committer.start()
    for uid in ("1.2.1", "1.2.2"):
        node.submit(node.begin(uid), uid)
    node.committer.close()
    assert node.outcomes == {"1.2.1": Registration.STORED, "1.2.2": Registration.STORED}
