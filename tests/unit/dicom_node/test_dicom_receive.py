from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import CTImageStorage, ImplicitVRLittleEndian, MRImageStorage

from dicom_node.errors import (
    CannotUnderstand,
    DatasetMismatch,
    OutOfResources,
    StoredFileUnreadable,
)
from dicom_node.files import ObjectStore
from dicom_node.receive import AnnouncedObject, ReceivedObject, Receiver, Registration
from tests.support.objects import ct_dataset
from tests.unit.dicom_node.samples import EXPLICIT, Gallery, encoded


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path)


@pytest.fixture
def gallery() -> Gallery:
    return Gallery()


@pytest.fixture
def receiver(store: ObjectStore, gallery: Gallery) -> Receiver:
    return Receiver(store, gallery)


def test_an_object_is_stored_and_registered(
    store: ObjectStore, gallery: Gallery, receiver: Receiver
) -> None:
    dataset = ct_dataset()
    whole = encoded(dataset, ImplicitVRLittleEndian)
    registration, header = receiver.receive(
        whole, transfer_syntax_uid=ImplicitVRLittleEndian, source="SCANNER"
    )
    assert registration is Registration.STORED
    (known,) = gallery.objects
    assert (known.header, known.source) == (header, "SCANNER")
    stored = store.path(known.file.name)
    assert stored.read_bytes().endswith(whole)
    read = dcmread(stored)
    assert read.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert read.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert read.file_meta.SourceApplicationEntityTitle == "SCANNER"
    assert read.SOPInstanceUID == dataset.SOPInstanceUID


def test_the_same_bytes_again_leave_one_file(
    store: ObjectStore, gallery: Gallery, receiver: Receiver
) -> None:
    whole = encoded(ct_dataset())
    receiver.receive(whole, transfer_syntax_uid=EXPLICIT, source="A")
    registration, _ = receiver.receive(whole, transfer_syntax_uid=EXPLICIT, source="B")
    assert registration is Registration.DUPLICATE
    assert list(store.names()) == [gallery.objects[0].file.name]


def test_a_rival_is_kept_beside_the_first(store: ObjectStore, receiver: Receiver) -> None:
    for number in range(2):
        whole = encoded(ct_dataset(sop_instance_uid="1.2.3", seed=number))
        registration, _ = receiver.receive(whole, transfer_syntax_uid=EXPLICIT, source="A")
    assert registration is Registration.CONFLICT
    assert len(list(store.names())) == 2


@pytest.mark.parametrize(
    ("announced", "name"),
    [
        (AnnouncedObject(MRImageStorage, "1.2.3"), "SOP Class UID"),
        (AnnouncedObject(CTImageStorage, "1.2.4"), "SOP Instance UID"),
    ],
)
def test_what_was_not_announced_is_refused_before_writing(
    store: ObjectStore, receiver: Receiver, announced: AnnouncedObject, name: str
) -> None:
    whole = encoded(ct_dataset(sop_instance_uid="1.2.3"))
    with pytest.raises(DatasetMismatch, match=name) as caught:
        receiver.receive(whole, transfer_syntax_uid=EXPLICIT, source="A", announced=announced)
    assert caught.value.status == 0xA900
    assert list(store.names()) == []


def test_a_command_without_uids_is_not_understood(receiver: Receiver) -> None:
    with pytest.raises(CannotUnderstand, match="the command names no SOP Class UID"):
        receiver.receive(
            encoded(ct_dataset()),
            transfer_syntax_uid=EXPLICIT,
            source="A",
            announced=AnnouncedObject("", ""),
        )


def test_a_definite_failure_of_the_database_leaves_no_file(
    store: ObjectStore, gallery: Gallery, receiver: Receiver
) -> None:
    gallery.failure = OutOfResources("the database is gone")
    with pytest.raises(OutOfResources):
        receiver.receive(encoded(ct_dataset()), transfer_syntax_uid=EXPLICIT, source="A")
    assert list(store.names()) == []


@pytest.mark.parametrize(
    "failure", [OutOfResources("lost", outcome_unknown=True), KeyError("a defect")]
)
def test_an_unknown_outcome_keeps_the_file(
    store: ObjectStore, gallery: Gallery, receiver: Receiver, failure: Exception
) -> None:
    gallery.failure = failure
    with pytest.raises(type(failure)):
        receiver.receive(encoded(ct_dataset()), transfer_syntax_uid=EXPLICIT, source="A")
    assert len(list(store.names())) == 1


def test_a_file_without_a_row_is_registered_again_as_it_was(
    store: ObjectStore, gallery: Gallery, receiver: Receiver
) -> None:
    receiver.receive(encoded(ct_dataset()), transfer_syntax_uid=EXPLICIT, source="SCANNER")
    acknowledged = gallery.objects.pop()
    registration, header = receiver.register_stored(acknowledged.file.name)
    assert registration is Registration.STORED
    assert header == acknowledged.header
    assert gallery.objects == [acknowledged]


def test_registering_again_never_removes_a_file(store: ObjectStore) -> None:
    known: list[ReceivedObject] = []

    def register(received: ReceivedObject) -> Registration:
        known.append(received)
        return Registration.STORED if len(known) == 1 else Registration.DUPLICATE

    receiver = Receiver(store, register)
    receiver.receive(encoded(ct_dataset()), transfer_syntax_uid=EXPLICIT, source="A")
    registration, _ = receiver.register_stored(known[0].file.name)
    assert registration is Registration.DUPLICATE
    assert list(store.names()) == [known[0].file.name]


def test_a_file_that_is_gone_cannot_be_registered(receiver: Receiver) -> None:
    with pytest.raises(StoredFileUnreadable, match="cannot be read"):
        receiver.register_stored("ab/missing.dcm")
