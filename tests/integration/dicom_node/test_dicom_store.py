import logging
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import CTImageStorage, ImplicitVRLittleEndian, MRImageStorage, RLELossless

from dicom_node.errors import OutOfResources
from tests.integration.dicom_node.conftest import RunningNode
from tests.integration.dicom_node.peer import associated, push, store
from tests.support.objects import ct_dataset
from tests.unit.dicom_node.samples import EXPLICIT, compressed, encoded


def test_a_stored_object_keeps_its_bytes(running: RunningNode) -> None:
    dataset = ct_dataset()
    whole = encoded(dataset)
    assert push(running.port, whole, CTImageStorage, dataset.SOPInstanceUID) == (0x0000, "")
    assert running.dataset_of(dataset.SOPInstanceUID) == whole
    assert running.gallery.objects[0].source == "PEER"
    assert (running.counter.arrived, running.counter.statuses) == (1, [])
    assert len(running.counter.seconds) == 1


def test_the_same_again_and_a_rival_are_both_acknowledged(running: RunningNode) -> None:
    with associated(running.port, (CTImageStorage, [EXPLICIT])) as association:
        for seed, files in ((0, 1), (0, 1), (1, 2)):
            whole = encoded(
                ct_dataset(
                    sop_instance_uid="1.2.3",
                    study_instance_uid="1.2",
                    series_instance_uid="1.2.1",
                    seed=seed,
                )
            )
            assert store(association, whole, CTImageStorage, "1.2.3")[0] == 0x0000
            assert len(list(running.store.names())) == files


@pytest.mark.parametrize(
    ("sop_class_uid", "sop_instance_uid"),
    [(MRImageStorage, "1.2.3"), (CTImageStorage, "1.2.4")],
)
def test_another_object_than_announced_is_refused(
    running: RunningNode, sop_class_uid: str, sop_instance_uid: str
) -> None:
    whole = encoded(ct_dataset(sop_instance_uid="1.2.3"))
    status, comment = push(running.port, whole, sop_class_uid, sop_instance_uid)
    assert status == 0xA900
    assert "of the dataset is not the one" in comment
    assert list(running.store.names()) == []
    assert running.counter.statuses == [0xA900]


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        np.random.default_rng(1).bytes(5000),
        b"\0" * 5000,
        encoded(ct_dataset(sop_instance_uid="1.2.3"))[:-9],
    ],
)
def test_what_is_no_whole_dataset_is_not_understood(running: RunningNode, junk: bytes) -> None:
    status, _ = push(running.port, junk, CTImageStorage, "1.2.3")
    assert 0xC000 <= status <= 0xCFFF
    assert list(running.store.names()) == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"StudyInstanceUID": None}, 0xC000),
        ({"SeriesInstanceUID": None}, 0xC000),
        ({"SOPInstanceUID": None}, 0xC000),
        ({"PixelData": None}, 0x0000),
    ],
)
def test_what_identifies_an_object_must_be_there_and_pixels_need_not(
    running: RunningNode, changes: dict[str, None], status: int
) -> None:
    whole = encoded(ct_dataset(sop_instance_uid="1.2.3", **changes))
    assert push(running.port, whole, CTImageStorage, "1.2.3")[0] == status
    assert len(running.gallery.objects) == (status == 0x0000)


@pytest.mark.parametrize(
    ("agreed", "sent"),
    [(EXPLICIT, ImplicitVRLittleEndian), (ImplicitVRLittleEndian, EXPLICIT)],
)
def test_bytes_of_another_syntax_are_not_understood(
    running: RunningNode, agreed: str, sent: str
) -> None:
    whole = encoded(ct_dataset(sop_instance_uid="1.2.3"), sent)
    status, comment = push(running.port, whole, CTImageStorage, "1.2.3", agreed)
    assert (status, comment) == (
        0xC000,
        "the dataset is not in the transfer syntax that was agreed on",
    )
    assert list(running.store.names()) == []


@pytest.mark.parametrize(
    ("sop_class_uid", "sop_instance_uid"),
    [
        ("31", "31"),
        ("", "1.2.3"),
        (CTImageStorage, ""),
        (CTImageStorage, "1." * 60 + "1"),
        ("1.2.840.10008.1.1", "1.2.3"),
        ("1.2.840.10008.5.1.4.1.2.1.1", "1.2.3"),
    ],
)
def test_a_command_with_unusable_uids_is_answered_and_the_next_is_served(
    running: RunningNode, sop_class_uid: str, sop_instance_uid: str
) -> None:
    whole = encoded(ct_dataset(sop_instance_uid="1.2.3"))
    with associated(running.port, (CTImageStorage, [EXPLICIT])) as association:
        assert store(association, whole, sop_class_uid, sop_instance_uid)[0] == 0xA900
        assert store(association, whole, CTImageStorage, "1.2.3")[0] == 0x0000


def test_a_uid_that_could_be_a_path_is_refused(running: RunningNode) -> None:
    uid = "../../../tmp/x"
    whole = encoded(ct_dataset(sop_instance_uid=uid))
    status, _ = push(running.port, whole, CTImageStorage, uid)
    assert status == 0xC000


def test_a_failing_database_is_out_of_resources_and_a_retry_succeeds(
    running: RunningNode,
) -> None:
    whole = encoded(ct_dataset(sop_instance_uid="1.2.3"))
    running.gallery.failure = OutOfResources("the database does not answer")
    answer = push(running.port, whole, CTImageStorage, "1.2.3")
    assert answer == (0xA700, "the database does not answer")
    assert list(running.store.names()) == []
    running.gallery.failure = None
    assert push(running.port, whole, CTImageStorage, "1.2.3")[0] == 0x0000


def test_a_lost_commit_is_no_success_and_keeps_the_file(running: RunningNode) -> None:
    running.gallery.failure = OutOfResources("no answer", outcome_unknown=True)
    whole = encoded(ct_dataset(sop_instance_uid="1.2.3"))
    assert push(running.port, whole, CTImageStorage, "1.2.3")[0] == 0xA700
    assert len(list(running.store.names())) == 1


def test_a_defect_is_a_failure_whose_place_is_logged_and_whose_text_is_not(
    running: RunningNode, caplog: pytest.LogCaptureFixture
) -> None:
    running.gallery.failure = ValueError("Doe^John")
    whole = encoded(ct_dataset(sop_instance_uid="1.2.3"))
    assert push(running.port, whole, CTImageStorage, "1.2.3")[0] == 0xC000
    (defect,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert vars(defect)["exception"] == "ValueError"
    assert any("samples.py" in place for place in vars(defect)["at"])
    assert "Doe" not in str([vars(record) for record in caplog.records])
    running.gallery.failure = None
    assert push(running.port, whole, CTImageStorage, "1.2.3")[0] == 0x0000


def test_many_peers_at_once_are_all_served(running: RunningNode) -> None:
    statuses: list[int] = []

    def send(peer: int) -> None:
        with associated(running.port, (CTImageStorage, [EXPLICIT])) as association:
            for number in range(5):
                uid = f"1.2.{peer + 1}.{number + 1}"
                whole = encoded(ct_dataset(sop_instance_uid=uid))
                statuses.append(store(association, whole, CTImageStorage, uid)[0])

    threads = [threading.Thread(target=send, args=(peer,)) for peer in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [0x0000] * 60
    assert len(list(running.store.names())) == 60


def test_no_log_line_names_the_patient(
    running: RunningNode, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for changes in ({}, {"StudyInstanceUID": None}, {"SeriesInstanceUID": "SECRET"}):
            dataset = ct_dataset(patient_id="SECRET", sop_instance_uid="1.2.3", **changes)
            dataset.PatientName = "SECRET"
            push(running.port, encoded(dataset), CTImageStorage, "1.2.3")
    told = str([vars(record) for record in caplog.records])
    assert "store.stored" in told
    assert "store.refused" in told
    assert "SECRET" not in told


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk can only be mounted by root with that right")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_out_of_resources_and_leaves_no_half_file(
    small_disk: Path, start_node: Callable[..., RunningNode]
) -> None:
    running = start_node(small_disk)
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(b"\0" * 5_000_000)
    whole = encoded(ct_dataset(sop_instance_uid="1.2.3", ImageComments="x" * 60_000))
    with associated(running.port, (CTImageStorage, [EXPLICIT])) as association:
        status, comment = store(association, whole, CTImageStorage, "1.2.3")
        assert status == 0xA700
        assert "No space left on device" in comment
        filler.write_bytes(b"")
        assert store(association, whole, CTImageStorage, "1.2.3")[0] == 0x0000
    left = [path for path in (small_disk / "objects").rglob("*") if path.is_file()]
    assert [path.suffix for path in left] == [".dcm"]


def test_compressed_objects_are_taken_as_they_are(running: RunningNode) -> None:
    dataset = compressed(ct_dataset(), RLELossless)
    uid = str(dataset.SOPInstanceUID)
    whole = encoded(dataset, RLELossless)
    assert push(running.port, whole, CTImageStorage, uid, RLELossless)[0] == 0x0000
    assert running.dataset_of(uid) == whole
