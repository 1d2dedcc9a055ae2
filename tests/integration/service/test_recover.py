from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from dicom_node.errors import OutOfResources
from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.receive import Receiver, Registration
from service.opening import receiver
from service.recover import RecoveryReport, recover
from service.settings import Settings
from tests.support.databases import administer, drop, fresh_database
from tests.support.objects import ct_dataset, write_file
from tests.support.stored import file_names, quarantine, store_file


def test_a_gallery_in_good_order_is_left_alone(
    engine: Engine, take: Receiver, store: ObjectStore, settings: Settings, tmp_path: Path
) -> None:
    import_file(take, write_file(tmp_path / "a.dcm", ct_dataset()))
    before = {f: f.stat().st_mtime_ns for f in store.path("").rglob("*.dcm")}
    assert recover(engine, store, take) == RecoveryReport()
    assert {f: f.stat().st_mtime_ns for f in store.path("").rglob("*.dcm")} == before
    assert quarantine(settings) == {}


def test_a_complete_file_without_a_row_is_registered(
    engine: Engine, take: Receiver, store: ObjectStore, settings: Settings, tmp_path: Path
) -> None:
    stored = store_file(store, write_file(tmp_path / "a.dcm", ct_dataset()))
    assert recover(engine, store, take) == RecoveryReport(registered=1)
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT * FROM instance JOIN embedding_job USING (instance_id)")
        ).one()
    assert (row.file_name, row.file_size) == (stored.name, stored.size)
    assert bytes(row.sha256) == stored.sha256
    assert (row.source, row.state) == ("MODALITY", "pending")
    assert recover(engine, store, take) == RecoveryReport()


@pytest.fixture
def restored(cluster_url: str, database_url: str, engine: Engine) -> Iterator[Callable[[], Engine]]:
    """A backup taken now; calling it gives an engine on the database as it was then."""
    engine.dispose()
    with fresh_database(cluster_url, make_url(database_url).database or "") as backup:
        made: list[Engine] = []

        def restore() -> Engine:
            engine.dispose()
            name = make_url(database_url).database
            drop(cluster_url, str(name))
            template = make_url(backup).database
            administer(cluster_url, f"CREATE DATABASE {name} TEMPLATE {template}")
            made.append(create_engine(database_url))
            return made[-1]

        yield restore
        for opened in made:
            opened.dispose()


def test_a_restored_backup_gets_back_all_that_was_acknowledged_since(
    engine: Engine,
    take: Receiver,
    store: ObjectStore,
    settings: Settings,
    tmp_path: Path,
    restored: Callable[[], Engine],
) -> None:
    study = ct_dataset().StudyInstanceUID
    acknowledged = set()
    for number in range(200):
        dataset = ct_dataset(study_instance_uid=study, seed=number)
        path = write_file(tmp_path / "a.dcm", dataset)
        assert import_file(take, path)[0] is Registration.STORED
        acknowledged.add(dataset.SOPInstanceUID)
    names = file_names(engine)
    old = restored()
    assert file_names(old) == set()
    report = recover(old, store, receiver(settings, old))
    assert report == RecoveryReport(registered=200)
    assert file_names(old) == names
    with old.connect() as connection:
        uids = connection.scalars(
            text("SELECT sop_instance_uid FROM embedding_job JOIN instance USING (instance_id)")
        ).all()
    assert set(uids) == acknowledged
    assert quarantine(settings) == {}


def test_a_conflict_without_a_row_is_a_conflict_again(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    first = ct_dataset()
    rival = ct_dataset(sop_instance_uid=first.SOPInstanceUID, seed=2)
    import_file(take, write_file(tmp_path / "a.dcm", first))
    import_file(take, write_file(tmp_path / "b.dcm", rival))
    with engine.begin() as connection:
        lost = connection.execute(text("DELETE FROM conflict RETURNING file_name")).scalar_one()
    assert recover(engine, store, take) == RecoveryReport(conflicts=1)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT file_name FROM conflict")).scalar_one() == lost
    assert recover(engine, store, take) == RecoveryReport()


def test_what_was_never_finished_is_set_aside(
    engine: Engine, take: Receiver, store: ObjectStore, settings: Settings
) -> None:
    unfinished = store.path("ab/abcdef.part")
    unfinished.write_bytes(b"\0" * 128 + b"DICM and then the power went")
    assert recover(engine, store, take) == RecoveryReport(unfinished=1)
    assert set(quarantine(settings)) == {"abcdef.part"}
    assert not unfinished.exists()


def test_a_file_whose_last_rename_was_lost_is_finished(
    engine: Engine, take: Receiver, store: ObjectStore, settings: Settings, tmp_path: Path
) -> None:
    import_file(take, write_file(tmp_path / "a.dcm", ct_dataset()))
    (name,) = store.names()
    store.path(name).rename(store.path(name).with_suffix(".part"))
    assert recover(engine, store, take) == RecoveryReport(finished=1)
    assert list(store.names()) == [name]
    assert quarantine(settings) == {}


def test_a_cut_file_of_a_row_is_not_taken_for_whole(
    engine: Engine, take: Receiver, store: ObjectStore, settings: Settings, tmp_path: Path
) -> None:
    import_file(take, write_file(tmp_path / "a.dcm", ct_dataset()))
    (name,) = store.names()
    part = store.path(name).rename(store.path(name).with_suffix(".part"))
    part.write_bytes(part.read_bytes()[:-1])
    assert recover(engine, store, take) == RecoveryReport(unfinished=1, missing_files=1)
    assert set(quarantine(settings)) == {part.name}


def test_rows_without_a_file_are_counted_and_kept(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    for number in range(3):
        import_file(take, write_file(tmp_path / f"{number}.dcm", ct_dataset()))
    gone, *_kept = sorted(store.names())
    store.remove(gone)
    report = recover(engine, store, take)
    assert report == RecoveryReport(missing_files=1)
    assert "1 rows have no file" in report.sentence()
    assert len(file_names(engine)) == 3


def test_a_second_file_of_the_same_object_is_set_aside(
    engine: Engine, take: Receiver, store: ObjectStore, settings: Settings, tmp_path: Path
) -> None:
    path = write_file(tmp_path / "a.dcm", ct_dataset())
    import_file(take, path)
    (known,) = store.names()
    second = store_file(store, path)
    assert recover(engine, store, take) == RecoveryReport(duplicates=1)
    assert list(store.names()) == [known]
    assert set(quarantine(settings)) == {Path(second.name).name}


def test_what_cannot_be_understood_is_set_aside_and_the_rest_goes_on(
    engine: Engine, take: Receiver, store: ObjectStore, settings: Settings, tmp_path: Path
) -> None:
    import_file(take, write_file(tmp_path / "a.dcm", ct_dataset()))
    store_file(store, write_file(tmp_path / "b.dcm", ct_dataset()))
    for name in ("00/0000.dcm", "ff/ffff.dcm"):
        store.path(name).write_bytes(b"nothing that a peer sent")
    assert recover(engine, store, take) == RecoveryReport(registered=1, unreadable=2)
    assert set(quarantine(settings)) == {"0000.dcm", "ffff.dcm"}
    assert len(file_names(engine)) == 2


def test_a_database_that_fails_stops_the_recovery(
    engine: Engine, take: Receiver, store: ObjectStore, settings: Settings, tmp_path: Path
) -> None:
    stored = store_file(store, write_file(tmp_path / "a.dcm", ct_dataset()))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE instance ADD CHECK (false)"))
    with pytest.raises(OutOfResources):
        recover(engine, store, take)
    assert list(store.names()) == [stored.name]
    assert quarantine(settings) == {}
