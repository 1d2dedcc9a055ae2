"""Rejection notes that come through the node, from peers known and unknown."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import Engine, text

from dicom_node.files import ObjectStore
from dicom_node.receive import Receiver
from dicom_node.scp import NodeConfig, StorageNode
from dicom_node.scu import send
from service.deletion.files import purge_files
from service.peers import Peer, add_peer
from service.pulling.states import states_of
from tests.support.objects import ct_dataset, write_file
from tests.support.rejections import key_object_selection

Push = Callable[[Dataset], int | None]
QUALITY, SAFETY, WORKLIST, EXPIRED = "113001", "113037", "113038", "113039"


@pytest.fixture
def push(take: Receiver, engine: Engine, tmp_path: Path) -> Iterator[Push]:
    """Sends an object to a running node as the known peer PACS; the status that it is told."""
    with engine.begin() as connection:
        add_peer(connection, Peer("pacs", "PACS", "127.0.0.1", 104))
    node = StorageNode(NodeConfig(port=0), take)
    node.start()

    def send_one(dataset: Dataset, calling: str = "PACS") -> int | None:
        file = write_file(tmp_path / f"{dataset.SOPInstanceUID}.dcm", dataset)
        (result,) = send([file], "127.0.0.1", node.port, "PRECUNEUS", calling)
        return result.status

    yield send_one
    node.stop()


def pair() -> list[Dataset]:
    first = ct_dataset(seed=1)
    return [
        first,
        ct_dataset(
            seed=2,
            study_instance_uid=first.StudyInstanceUID,
            series_instance_uid=first.SeriesInstanceUID,
        ),
    ]


def rows(engine: Engine) -> dict[str, tuple[str, str | None]]:
    with engine.connect() as connection:
        found = connection.execute(
            text(
                "SELECT sop_instance_uid, state, reason FROM instance JOIN series USING"
                " (series_id) WHERE modality = 'CT'"
            )
        )
        return {uid: (state, reason) for uid, state, reason in found}


def state(engine: Engine, dataset: Dataset) -> str:
    uid = str(dataset.SOPInstanceUID)
    with engine.connect() as connection:
        return states_of(connection, [uid])[uid]


@pytest.mark.parametrize(
    ("code", "kept", "again"),
    [(QUALITY, True, 0x0000), (SAFETY, False, 0x0124), (WORKLIST, False, 0x0124),
     (EXPIRED, False, 0x0000)],
)  # fmt: skip
def test_what_a_note_names_is_gone_from_the_search(
    push: Push, engine: Engine, store: ObjectStore, code: str, kept: bool, again: int
) -> None:
    rejected, other = pair()
    assert [push(rejected), push(other)] == [0, 0]
    assert push(key_object_selection([rejected], code)) == 0

    uid, other_uid = str(rejected.SOPInstanceUID), str(other.SOPInstanceUID)
    found = rows(engine)
    assert found.pop(other_uid) == ("pending", None)
    hidden = {uid: ("unsupported", "rejected for quality reasons")}
    assert found == (hidden if kept else {})
    assert state(engine, rejected) == "rejected"
    with engine.connect() as connection:
        waiting = "SELECT sop_instance_uid FROM embedding_job JOIN instance USING (instance_id)"
        assert uid not in set(connection.scalars(text(waiting)))
    assert purge_files(engine, store, 0) == (0 if kept else 1)
    # Beside the note's own file.
    assert len(list(store.names())) == (3 if kept else 2)

    assert push(rejected) == again
    if code == EXPIRED:
        assert rows(engine)[uid] == ("pending", None)
    else:
        assert rows(engine).get(uid) == hidden.get(uid if kept else "")


@pytest.mark.parametrize(("code", "status"), [(QUALITY, 0x0000), (SAFETY, 0x0124)])
def test_a_note_may_come_before_its_images(
    push: Push, engine: Engine, code: str, status: int
) -> None:
    rejected, other = pair()
    assert push(key_object_selection([rejected], code)) == 0
    assert push(rejected) == status
    assert push(other) == 0
    assert rows(engine)[str(other.SOPInstanceUID)] == ("pending", None)
    found = rows(engine).get(str(rejected.SOPInstanceUID))
    assert found in (None, ("unsupported", "rejected for quality reasons"))
    assert (found is None) is (status != 0)


def test_an_unknown_peer_cannot_empty_the_gallery(
    push: Callable[..., int | None], engine: Engine
) -> None:
    rejected, _ = pair()
    push(rejected)
    assert push(key_object_selection([rejected], SAFETY), "STRANGER") == 0
    assert state(engine, rejected) == "pending"


@pytest.mark.parametrize(("code", "scheme"), [("113000", "DCM"), (SAFETY, "99LOCAL")])
def test_other_key_object_selections_reject_nothing(
    push: Push, engine: Engine, code: str, scheme: str
) -> None:
    selected, _ = pair()
    push(selected)
    assert push(key_object_selection([selected], code, scheme=scheme)) == 0
    assert state(engine, selected) == "pending"
