from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from sqlalchemy import Engine, text

from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.receive import Receiver, Registration
from tests.support.objects import ct_dataset, write_file
from tests.support.stored import count_rows

THREADS = 8


def test_the_same_object_again_is_no_work(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    path = write_file(tmp_path / "a.dcm", ct_dataset())
    assert import_file(take, path)[0] is Registration.STORED
    assert import_file(take, path)[0] is Registration.DUPLICATE
    assert count_rows(engine, "embedding_job") == 1
    assert len(list(store.names())) == 1


def test_a_new_object_has_rows_down_to_its_job(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    dataset = ct_dataset(BodyPartExamined="HEAD", InstanceNumber=7, PatientSex="F")
    dataset.SeriesDescription = "t1 axial"
    dataset.PatientAge = "045Y"
    import_file(take, write_file(tmp_path / "a.dcm", dataset))
    with engine.connect() as connection:
        row = connection.execute(
            text(
                "SELECT * FROM embedding_job JOIN instance USING (instance_id)"
                " JOIN series USING (series_id) JOIN study USING (study_id)"
            )
        ).one()
    assert row.sop_instance_uid == dataset.SOPInstanceUID
    assert row.series_instance_uid == dataset.SeriesInstanceUID
    assert row.study_instance_uid == dataset.StudyInstanceUID
    assert (row.modality, row.body_part_examined, row.instance_number) == ("CT", "HEAD", 7)
    assert row.series_description == "t1 axial"
    assert (row.patient_sex, row.patient_age_years, row.rows, row.frames) == ("F", 45, 64, 1)
    assert (row.state, row.source, row.attempts) == ("pending", "import", 0)
    assert store.path(row.file_name).stat().st_size == row.file_size


def test_other_bytes_under_a_known_uid_are_a_conflict(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    first = ct_dataset(seed=1)
    other = ct_dataset(
        seed=2,
        sop_instance_uid=first.SOPInstanceUID,
        study_instance_uid=first.StudyInstanceUID,
        series_instance_uid=first.SeriesInstanceUID,
    )
    paths = [write_file(tmp_path / f"{n}.dcm", d) for n, d in enumerate((first, other))]
    assert import_file(take, paths[0])[0] is Registration.STORED
    assert import_file(take, paths[1])[0] is Registration.CONFLICT
    # A rival that is known already is no second rival, and its file is not kept twice.
    assert import_file(take, paths[1])[0] is Registration.DUPLICATE
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT file_name, sha256 FROM conflict")).one()
        instance = connection.execute(text("SELECT file_name, sha256 FROM instance")).one()
    assert {kept.file_name, instance.file_name} == set(store.names())
    assert bytes(kept.sha256) != bytes(instance.sha256)
    assert count_rows(engine, "embedding_job") == 1


def test_a_conflict_of_another_study_makes_no_study(
    engine: Engine, take: Receiver, tmp_path: Path
) -> None:
    first = ct_dataset()
    other = ct_dataset(sop_instance_uid=first.SOPInstanceUID)
    import_file(take, write_file(tmp_path / "a.dcm", first))
    assert import_file(take, write_file(tmp_path / "b.dcm", other))[0] is Registration.CONFLICT
    assert (count_rows(engine, "study"), count_rows(engine, "series")) == (1, 1)


def at_once(calls: list[Callable[[], Registration]]) -> list[Registration]:
    """Results of all calls, begun at the same moment."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Registration]) -> Registration:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def importing(take: Receiver, path: Path) -> Callable[[], Registration]:
    return lambda: import_file(take, path)[0]


def test_one_of_many_senders_of_one_object_stores_it(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    path = write_file(tmp_path / "a.dcm", ct_dataset())
    results = at_once([importing(take, path)] * THREADS)
    assert sorted(r.value for r in results) == ["duplicate"] * (THREADS - 1) + ["stored"]
    assert count_rows(engine, "instance") == count_rows(engine, "embedding_job") == 1
    assert len(list(store.names())) == 1


def test_rivals_that_arrive_at_once_are_all_kept(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    uid = ct_dataset().SOPInstanceUID
    paths = [
        write_file(tmp_path / f"{n}.dcm", ct_dataset(sop_instance_uid=uid, seed=n))
        for n in range(THREADS)
    ]
    results = at_once([importing(take, path) for path in paths])
    assert sorted(r.value for r in results) == ["conflict"] * (THREADS - 1) + ["stored"]
    assert count_rows(engine, "conflict") == THREADS - 1
    assert len(list(store.names())) == THREADS


def test_a_new_study_on_many_associations_is_one_study(
    engine: Engine, take: Receiver, tmp_path: Path
) -> None:
    first = ct_dataset()
    uids = {
        "study_instance_uid": first.StudyInstanceUID,
        "series_instance_uid": first.SeriesInstanceUID,
    }
    paths = [write_file(tmp_path / f"{n}.dcm", ct_dataset(**uids)) for n in range(THREADS)]
    assert set(at_once([importing(take, path) for path in paths])) == {Registration.STORED}
    assert (count_rows(engine, "study"), count_rows(engine, "series")) == (1, 1)
    assert count_rows(engine, "instance") == THREADS


def test_the_same_bytes_again_heal_an_instance_whose_file_was_lost(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    path = write_file(tmp_path / "a.dcm", ct_dataset())
    import_file(take, path)
    store.remove(next(store.names()))
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM embedding_job"))
        connection.execute(text("UPDATE instance SET state = 'failed', reason = 'it was gone'"))
    assert import_file(take, path)[0] is Registration.STORED
    with engine.connect() as connection:
        (row,) = connection.execute(
            text(
                "SELECT file_name, state, reason"
                " FROM instance JOIN embedding_job USING (instance_id)"
            )
        ).all()
    assert [row.file_name] == list(store.names())
    assert (row.state, row.reason) == ("pending", None)
