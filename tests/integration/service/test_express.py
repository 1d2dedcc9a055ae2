"""The short way into the gallery, where something goes wrong after its commit."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import Engine, text

from dicom_node.files import ObjectStore
from dicom_node.importing import open_dicom_file
from dicom_node.receive import OnDisk, ReceivedObject, Registration
from service.ingest import GroupRegistrar
from service.opening import patient_keyer
from service.settings import Settings
from tests.support.objects import ct_dataset, write_file
from tests.support.stored import count_rows, store_file

STORED = Registration.STORED
Receive = Callable[[], ReceivedObject]


@pytest.fixture
def receive(store: ObjectStore, tmp_path: Path) -> Receive:
    def received() -> ReceivedObject:
        dataset: Dataset = ct_dataset(study_instance_uid="1.2", series_instance_uid="1.2.1")
        path = write_file(tmp_path / "sent.dcm", dataset)
        return ReceivedObject(open_dicom_file(path).header, store_file(store, path), "MODALITY")

    return received


@pytest.fixture
def registrar(
    settings: Settings,
    engine: Engine,
    store: ObjectStore,
    receive: Receive,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[GroupRegistrar]:
    """One with little patience, whose short way is open."""
    monkeypatch.setattr("service.ingest._SESSION", "SET lock_timeout = '300ms'")
    made = GroupRegistrar(engine, patient_keyer(settings, engine), store)
    made.register_group([receive()], None)
    yield made
    made.close()


def nothing() -> None:
    """The files are on disk already."""


@pytest.mark.parametrize("on_disk", [None, nothing], ids=["one message", "two messages"])
def test_a_note_that_cannot_be_forgotten_unmakes_no_commit(
    engine: Engine, registrar: GroupRegistrar, receive: Receive, on_disk: OnDisk | None
) -> None:
    received = receive()
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO dropped_object (sop_instance_uid, sop_class_uid, series_instance_uid,"
                " study_instance_uid, modality, source, reason)"
                " VALUES (:uid, '1.2', '1.2.1', '1.2', 'CT', 'MODALITY', 'a rule')"
            ),
            {"uid": received.header.sop_instance_uid},
        )
    with engine.connect() as other, other.begin():
        other.execute(text("SELECT * FROM dropped_object FOR UPDATE"))
        assert registrar.register_group([received], on_disk) == [STORED]
    assert count_rows(engine, "instance") == 2
    assert registrar.register_group([receive()], on_disk) == [STORED]
