"""Files against rows: what is gone, changed, unknown, or deleted and still there."""

import os
from collections.abc import Callable
from pathlib import Path

from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.receive import Receiver
from service.deletion.deleting import Cause, delete_subject
from service.deletion.files import purge_files
from service.search.similar import Query, similar
from tests.integration.service.verifying.conftest import SLICES, STUDIES, Sound
from tests.support.objects import ct_dataset, write_file
from tests.support.stored import store_file

COMMAND = Cause("command", "operator")


def age(file: Path) -> None:
    """Make a file two minutes older."""
    written = file.stat().st_mtime - 120
    os.utime(file, (written, written))


def test_a_file_that_is_gone_is_named(sound: Sound) -> None:
    gone = sound.file(sound.uid(1, 1))
    gone.unlink()
    (fault,) = sound.verify().faults
    assert (fault.kind, fault.count) == ("file missing", 1)
    assert fault.examples == (f"{gone.parent.name}/{gone.name}",)


def test_a_file_that_is_cut_off_is_found_by_its_size(sound: Sound) -> None:
    file = sound.file(sound.uid(1, 1))
    with file.open("ab") as opened:
        opened.truncate(file.stat().st_size - 2)
    found = sound.verify()
    assert {(fault.kind, fault.count) for fault in found.faults} == {("file changed", 1)}


def test_a_file_with_other_bytes_is_found_by_its_hash(sound: Sound) -> None:
    file = sound.file(sound.uid(1, 1))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    (fault,) = sound.verify().faults
    assert (fault.kind, fault.count, "read whole" in fault.what) == ("file changed", 1, True)
    assert sound.verify(deep=False, sample=500).looked.contents == STUDIES * SLICES
    assert sound.faults(deep=False, sample=500) == {"file changed": 1}


def test_a_file_that_the_disk_does_not_give_is_named(sound: Sound) -> None:
    file = sound.file(sound.uid(1, 1))
    file.unlink()
    # As root nothing is forbidden; a folder of that name cannot be read as a file either.
    file.mkdir()
    assert sound.faults() == {"file changed": 1, "file unreadable": 1}


def test_a_file_that_no_row_names_is_found(
    sound: Sound, store: ObjectStore, tmp_path: Path
) -> None:
    stored = store_file(store, write_file(tmp_path / "x.dcm", ct_dataset(seed=99)))
    # So new a file may have its row in a moment: an import registers it after it is whole.
    assert sound.verify().is_sound
    assert sound.verify().looked.files["being stored"] == 1
    age(store.path(stored.name))
    (fault,) = sound.verify().faults
    assert (fault.kind, fault.count) == ("file unknown", 1)
    assert "db recover" in fault.remedy


def test_conflicts_and_quarantined_files_are_no_faults(
    sound: Sound, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    rival = ct_dataset(
        seed=77,
        patient_id="ZQ-1",
        study_instance_uid=sound.study(1),
        series_instance_uid=f"{sound.study(1)}.1",
        sop_instance_uid=sound.uid(1, 1),
    )
    import_file(take, write_file(tmp_path / "rival.dcm", rival))
    stored = store_file(store, write_file(tmp_path / "x.dcm", ct_dataset(seed=99)))
    store.quarantine(stored.name, "a test")
    (store.path("00") / "left.part").write_bytes(b"")
    found = sound.verify()
    assert found.is_sound, found.faults
    assert found.looked.files == {
        "instance": STUDIES * SLICES,
        "conflict": 1,
        "quarantined": 1,
        "unfinished": 1,
    }
    assert found.looked.contents == STUDIES * SLICES + 1


def test_a_deleted_study_is_nowhere(sound: Sound) -> None:
    def found() -> set[str]:
        with sound.engine.connect() as connection:
            answer = similar(connection, Query(sound.uid(0, 0), k=50))
        return {neighbour.study_instance_uid for neighbour in answer.neighbours}

    assert sound.study(1) in found()
    assert delete_subject(sound.engine, "study", sound.study(1), COMMAND) == SLICES
    assert found() == {sound.study(2), sound.study(3)}
    purge_files(sound.engine, sound.store, 0)
    report = sound.verify()
    assert report.is_sound, report.faults
    left = (STUDIES - 1) * SLICES
    assert (report.looked.instances, report.looked.slices) == (left, left)
    assert report.looked.files["instance"] == len(list(sound.store.names())) == left


def test_files_of_deleted_instances_are_kept_as_long_as_the_rule_says(sound: Sound) -> None:
    delete_subject(sound.engine, "study", sound.study(1), COMMAND)
    assert sound.verify().looked.files["deleted"] == SLICES
    assert sound.verify().is_sound
    sound.run("UPDATE deleted_file SET deleted_at = now() - interval '1 hour'")
    assert sound.faults() == {"file of deleted": SLICES}


def test_a_deleted_study_that_comes_back_from_a_backup_is_found(
    sound: Sound, embed: Callable[[], int]
) -> None:
    kept = {sound.file(sound.uid(1, n)) for n in range(SLICES)}
    contents = {file: file.read_bytes() for file in kept}
    delete_subject(sound.engine, "study", sound.study(1), COMMAND)
    purge_files(sound.engine, sound.store, 0)
    for file, content in contents.items():
        file.write_bytes(content)
        age(file)
    (fault,) = sound.verify().faults
    assert (fault.kind, fault.count) == ("file of deleted", SLICES)


def test_a_deleted_instance_whose_row_is_back_is_found(sound: Sound) -> None:
    sound.run(
        "INSERT INTO tombstone (sop_instance_uid, series_instance_uid, study_instance_uid, cause,"
        " by_whom) VALUES (:uid, '1', '1', 'command', 'operator')",
        uid=sound.uid(2, 0),
    )
    (fault,) = sound.verify().faults
    assert (fault.kind, fault.examples) == ("deleted is here", (sound.uid(2, 0),))
