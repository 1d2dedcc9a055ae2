"""A peer asks whether its objects are safe, and is told on an association of ours."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage, generate_uid
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.presentation import build_context
from sqlalchemy import Engine, text

from dicom_node.commitment import WELL_KNOWN_INSTANCE
from dicom_node.contexts import STORAGE_COMMITMENT
from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.receive import Receiver
from dicom_node.scp import NodeConfig, StorageNode
from dicom_node.statuses import ActionStatus
from service.commitment.service import CommitmentService
from service.peers import Peer, add_peer, remove_peer
from tests.support.objects import ct_dataset, write_file
from tests.support.service import free_port
from tests.support.stored import count_rows
from tests.support.waiting import PATIENCE_S

ABSENT = "1.2.3.4.5"


@dataclass
class Told:
    """What the peer heard: event type, transaction, and for each object 0 or its reason."""

    heard: Flag = field(default_factory=Flag)
    event_type: int = 0
    transaction_uid: str = ""
    objects: dict[str, int] = field(default_factory=dict)


@contextmanager
def listening(port: int, tls: ssl.SSLContext | None = None) -> Iterator[Told]:
    """The peer's own listener."""
    told = Told()

    def hear(event: Event) -> tuple[int, None]:
        information = event.event_information
        told.event_type = event.event_type
        told.transaction_uid = str(information.TransactionUID)
        for item in information.get("ReferencedSOPSequence", []):
            told.objects[str(item.ReferencedSOPInstanceUID)] = 0
        for item in information.get("FailedSOPSequence", []):
            told.objects[str(item.ReferencedSOPInstanceUID)] = item.FailureReason
        told.heard.set()
        return 0x0000, None

    entity = AE("PACS")
    entity.add_supported_context(STORAGE_COMMITMENT, scu_role=False, scp_role=True)
    handlers = [(evt.EVT_N_EVENT_REPORT, hear)]
    server = entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=handlers, ssl_context=tls
    )
    try:
        yield told
    finally:
        server.shutdown()


@pytest.fixture
def port(engine: Engine) -> int:
    """Where the known peer PACS is to be told."""
    port = free_port()
    with engine.begin() as connection:
        add_peer(connection, Peer("pacs", "PACS", "127.0.0.1", port))
    return port


@pytest.fixture
def commitment(engine: Engine, store: ObjectStore) -> CommitmentService:
    return CommitmentService(engine, store, "PRECUNEUS")


@pytest.fixture
def node(take: Receiver, commitment: CommitmentService) -> Iterator[StorageNode]:
    node = StorageNode(NodeConfig(port=0), take, take_commitment=commitment.take)
    node.start()
    yield node
    node.stop()


def information(*objects: tuple[str, str], transaction: str | None = None) -> Dataset:
    wanted = Dataset()
    wanted.TransactionUID = transaction or generate_uid()
    wanted.ReferencedSOPSequence = []
    for sop_class_uid, sop_instance_uid in objects:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
        wanted.ReferencedSOPSequence.append(item)
    return wanted


def ask(
    node: StorageNode,
    wanted: Dataset,
    calling: str = "PACS",
    action_type: int = 1,
    instance_uid: str = WELL_KNOWN_INSTANCE,
) -> int:
    """The status of an N-ACTION."""
    entity = AE(calling)
    association = entity.associate(
        "127.0.0.1", node.port, [build_context(STORAGE_COMMITMENT)], ae_title="PRECUNEUS"
    )
    assert association.is_established
    try:
        status, _ = association.send_n_action(wanted, action_type, STORAGE_COMMITMENT, instance_uid)
    finally:
        association.release()
    assert status.Status in set(ActionStatus)
    return int(status.Status)


def imported(take: Receiver, folder: Path, count: int) -> list[str]:
    datasets = [ct_dataset(seed=n) for n in range(count)]
    for dataset in datasets:
        import_file(take, write_file(folder / f"{dataset.SOPInstanceUID}.dcm", dataset))
    return [str(dataset.SOPInstanceUID) for dataset in datasets]


def test_what_is_stored_is_committed(
    node: StorageNode, commitment: CommitmentService, port: int, take: Receiver, tmp_path: Path
) -> None:
    uids = imported(take, tmp_path, 3)
    wanted = information(*((CTImageStorage, uid) for uid in uids))
    commitment.start()
    try:
        with listening(port) as told:
            assert ask(node, wanted) == 0x0000
            assert told.heard.wait(PATIENCE_S)
    finally:
        commitment.stop()
    assert (told.event_type, told.transaction_uid) == (1, wanted.TransactionUID)
    assert told.objects == dict.fromkeys(uids, 0)


def test_what_is_not_is_told_with_its_reason(
    node: StorageNode,
    commitment: CommitmentService,
    port: int,
    take: Receiver,
    tmp_path: Path,
    engine: Engine,
    store: ObjectStore,
) -> None:
    whole, other_class, gone, cut = imported(take, tmp_path, 4)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT sop_instance_uid, file_name FROM instance"))
        files = {row.sop_instance_uid: store.path(row.file_name) for row in rows}
    files[gone].unlink()
    files[cut].write_bytes(files[cut].read_bytes()[:-2])
    wanted = information(
        (CTImageStorage, whole),
        (MRImageStorage, other_class),
        (CTImageStorage, gone),
        (CTImageStorage, cut),
        (CTImageStorage, ABSENT),
    )
    assert ask(node, wanted) == 0x0000
    with listening(port) as told:
        assert commitment.tell_next()
    assert told.event_type == 2
    assert told.objects == {
        whole: 0,
        other_class: 0x0119,
        gone: 0x0112,
        cut: 0x0110,
        ABSENT: 0x0112,
    }


def test_a_result_outlives_the_process_and_a_peer_that_is_away(
    node: StorageNode,
    commitment: CommitmentService,
    port: int,
    take: Receiver,
    tmp_path: Path,
    engine: Engine,
    store: ObjectStore,
) -> None:
    (uid,) = imported(take, tmp_path, 1)
    assert ask(node, information((CTImageStorage, uid))) == 0x0000
    assert commitment.tell_next()
    with engine.begin() as connection:
        row = connection.execute(
            text("SELECT attempts, next_attempt_at > now() AS waits FROM commitment")
        ).one()
        assert (row.attempts, row.waits) == (1, True)
    assert not commitment.tell_next()
    with engine.begin() as connection:
        connection.execute(text("UPDATE commitment SET next_attempt_at = now()"))
    with listening(port) as told:
        another = CommitmentService(engine, store, "PRECUNEUS")
        another.start()
        assert told.heard.wait(PATIENCE_S)
        another.stop()
    assert told.objects == {uid: 0}
    assert count_rows(engine, "commitment") == 0


def test_a_peer_that_is_forgotten_is_not_told(
    node: StorageNode, commitment: CommitmentService, port: int, engine: Engine
) -> None:
    assert ask(node, information((CTImageStorage, ABSENT))) == 0x0000
    with engine.begin() as connection:
        remove_peer(connection, "pacs")
    assert not commitment.tell_next()


@pytest.mark.usefixtures("port")
def test_what_is_refused(node: StorageNode, engine: Engine) -> None:
    good = information((CTImageStorage, ABSENT))
    assert ask(node, good, calling="STRANGER") == 0x0124
    assert ask(node, good, action_type=2) == 0x0123
    assert ask(node, good, instance_uid="1.2.3") == 0x0112
    assert ask(node, information()) == 0x0120
    assert ask(node, information((CTImageStorage, "../etc"))) == 0x0115
    assert count_rows(engine, "commitment") == 0


@pytest.mark.usefixtures("port")
def test_the_same_transaction_is_told_once(node: StorageNode, engine: Engine) -> None:
    wanted = information((CTImageStorage, ABSENT))
    assert [ask(node, wanted), ask(node, wanted)] == [0, 0]
    assert count_rows(engine, "commitment") == 1
