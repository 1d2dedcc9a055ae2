"""Recovery beside a node that goes on receiving."""

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from dicom_node.files import ObjectStore
from dicom_node.header import Header
from dicom_node.importing import open_dicom_file
from dicom_node.receive import ReceivedObject, Receiver, Registration
from service.ingest import GalleryRegistrar
from service.opening import patient_keyer
from service.recover import RecoveryReport, recover
from service.settings import Settings
from tests.support.objects import ct_dataset, write_file
from tests.support.stored import file_names, meta_of, quarantine, store_file


@pytest.fixture
def registrar(settings: Settings, engine: Engine, store: ObjectStore) -> GalleryRegistrar:
    """What a living node registers with."""
    return GalleryRegistrar(engine, patient_keyer(settings, engine), store)


def test_a_living_writers_file_is_registered_once(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path, registrar: GalleryRegistrar
) -> None:
    path = write_file(tmp_path / "a.dcm", ct_dataset())
    header = open_dicom_file(path).header
    stored = store_file(store, path)
    assert recover(engine, store, take) == RecoveryReport(registered=1)
    # The writer, between its rename and its commit, comes second and finds its own file.
    assert registrar(ReceivedObject(header, stored, "MODALITY")) is Registration.STORED
    assert file_names(engine) == {stored.name}


def test_a_file_that_is_being_written_is_left_alone(
    engine: Engine, take: Receiver, store: ObjectStore, settings: Settings, tmp_path: Path
) -> None:
    path = write_file(tmp_path / "a.dcm", ct_dataset())
    found = open_dicom_file(path)
    reports: list[RecoveryReport] = []

    def parts() -> Iterator[bytes]:
        yield found.dataset[:1000]
        reports.append(recover(engine, store, take))
        yield found.dataset[1000:]

    stored = store.write(parts(), meta_of(path))
    assert reports == [RecoveryReport()]
    assert quarantine(settings) == {}
    assert take.register_stored(stored.name)[0] is Registration.STORED


def test_a_complete_file_that_its_writer_holds_is_left_for_later(
    engine: Engine, take: Receiver, store: ObjectStore, settings: Settings, tmp_path: Path
) -> None:
    stored = store_file(store, write_file(tmp_path / "a.dcm", ct_dataset()))
    with store.path(stored.name).open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert recover(engine, store, take) == RecoveryReport(busy=1)
    assert file_names(engine) == set()
    assert quarantine(settings) == {}
    assert recover(engine, store, take) == RecoveryReport(registered=1)
    assert file_names(engine) == {stored.name}


class BesideANode(Receiver):
    """A receiver that finds each file just removed by a node, which held it to be a duplicate."""

    def __init__(self, store: ObjectStore, registrar: GalleryRegistrar) -> None:
        super().__init__(store, registrar)
        self._files = store

    def register_stored(self, name: str) -> tuple[Registration, Header]:
        self._files.remove(name)
        return super().register_stored(name)


def test_a_file_that_its_writer_removed_meanwhile_stops_nothing(
    engine: Engine,
    store: ObjectStore,
    settings: Settings,
    tmp_path: Path,
    registrar: GalleryRegistrar,
) -> None:
    store_file(store, write_file(tmp_path / "a.dcm", ct_dataset()))
    assert recover(engine, store, BesideANode(store, registrar)) == RecoveryReport()
    assert quarantine(settings) == {}
