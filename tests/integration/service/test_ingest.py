from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Connection, Engine, event, text

from dicom_node.errors import OutOfResources
from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.receive import Receiver, Registration
from tests.support.databases import administer, away
from tests.support.objects import ct_dataset, write_file

THREADS = 8


def count(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def test_the_same_object_again_is_no_work(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    path = write_file(tmp_path / "a.dcm", ct_dataset())
    assert import_file(take, path)[0] is Registration.STORED
    assert import_file(take, path)[0] is Registration.DUPLICATE
    assert count(engine, "embedding_job") == 1
    assert len(list(store.names())) == 1


def test_a_new_object_has_rows_down_to_its_job(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    dataset = ct_dataset(BodyPartExamined="HEAD", InstanceNumber=7, PatientSex="F")
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
    assert count(engine, "embedding_job") == 1


def test_a_conflict_of_another_study_makes_no_study(
    engine: Engine, take: Receiver, tmp_path: Path
) -> None:
    first = ct_dataset()
    other = ct_dataset(sop_instance_uid=first.SOPInstanceUID)
    import_file(take, write_file(tmp_path / "a.dcm", first))
    assert import_file(take, write_file(tmp_path / "b.dcm", other))[0] is Registration.CONFLICT
    assert (count(engine, "study"), count(engine, "series")) == (1, 1)


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
    assert count(engine, "instance") == count(engine, "embedding_job") == 1
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
    assert count(engine, "conflict") == THREADS - 1
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
    assert (count(engine, "study"), count(engine, "series")) == (1, 1)
    assert count(engine, "instance") == THREADS


def patient_keys(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(
            connection.scalars(text("SELECT patient_key::text FROM instance ORDER BY instance_id"))
        )


def test_a_patient_keeps_its_key_from_study_to_study(
    engine: Engine, take: Receiver, tmp_path: Path
) -> None:
    for number, dataset in enumerate(
        [
            ct_dataset(patient_id="A-1"),
            ct_dataset(patient_id="A-1"),
            ct_dataset(patient_id="A-1", IssuerOfPatientID="ELSEWHERE"),
            ct_dataset(patient_id="A-2"),
        ]
    ):
        import_file(take, write_file(tmp_path / f"{number}.dcm", dataset))
    same, again, of_another_issuer, other = patient_keys(engine)
    assert same == again
    assert len({same, of_another_issuer, other}) == 3


def test_without_patient_id_a_study_is_a_patient(
    engine: Engine, take: Receiver, tmp_path: Path
) -> None:
    first = ct_dataset(patient_id="")
    for number, dataset in enumerate(
        [
            first,
            ct_dataset(patient_id="", study_instance_uid=first.StudyInstanceUID),
            ct_dataset(PatientID=None),
        ]
    ):
        import_file(take, write_file(tmp_path / f"{number}.dcm", dataset))
    here, here_too, elsewhere = patient_keys(engine)
    assert here == here_too
    assert here != elsewhere


def test_nothing_of_the_patient_is_in_the_database(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    secrets = {"PatientName": "Winterbottom^Zoe", "PatientID": "ZQ-4711", "OtherPatientIDs": "ZQ-9"}
    dataset = ct_dataset(**secrets)
    rival = ct_dataset(sop_instance_uid=dataset.SOPInstanceUID, **secrets)
    for number, made in enumerate((dataset, rival)):
        import_file(take, write_file(tmp_path / f"{number}.dcm", made))
    words = ("Winterbottom", "ZQ-4711", "ZQ-9")
    with engine.connect() as connection:
        tables = connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ).all()
        found = "".join(
            str(row) for table in tables for row in connection.scalars(text(_AS_TEXT % table))
        )
    assert dataset.SOPInstanceUID in found
    for word in words:
        assert word not in found
        assert word.encode().hex() not in found
    assert not any(word in name for name in store.names() for word in words)


_AS_TEXT = 'SELECT t::text FROM "%s" t'


def test_without_a_database_nothing_is_taken_or_left(
    engine: Engine,
    take: Receiver,
    store: ObjectStore,
    tmp_path: Path,
    cluster_url: str,
    database_url: str,
) -> None:
    path = write_file(tmp_path / "a.dcm", ct_dataset())
    with away(cluster_url, database_url), pytest.raises(OutOfResources) as refused:
        import_file(take, path)
    assert refused.value.status == 0xA700
    assert not refused.value.outcome_unknown
    assert list((store.path("")).rglob("*.*")) == []
    # The sender's retry succeeds once the database is back.
    assert import_file(take, path)[0] is Registration.STORED
    assert count(engine, "instance") == 1


def killing_listener(cluster_url: str, *, after_commit: bool) -> Callable[[Connection], None]:
    """Ends the session that is about to commit, or has just committed, before it hears so."""

    def kill(connection: Connection) -> None:
        session = connection.connection.dbapi_connection
        assert session is not None
        if after_commit:
            with session.cursor() as cursor:
                cursor.execute("COMMIT")
        pid = session.info.backend_pid  # type: ignore[attr-defined]
        administer(cluster_url, f"SELECT pg_terminate_backend({pid}, 5000)")

    return kill


@pytest.mark.parametrize("after_commit", [False, True])
def test_a_file_stays_when_the_outcome_of_its_commit_is_unknown(
    engine: Engine,
    take: Receiver,
    store: ObjectStore,
    tmp_path: Path,
    cluster_url: str,
    after_commit: bool,
) -> None:
    path = write_file(tmp_path / "a.dcm", ct_dataset())
    kill = killing_listener(cluster_url, after_commit=after_commit)
    event.listen(engine, "commit", kill)
    with pytest.raises(OutOfResources) as refused:
        import_file(take, path)
    event.remove(engine, "commit", kill)
    assert refused.value.outcome_unknown
    assert refused.value.status == 0xA700
    (name,) = store.names()
    assert count(engine, "instance") == int(after_commit)
    retried = import_file(take, path)[0]
    assert retried is (Registration.DUPLICATE if after_commit else Registration.STORED)
    assert store.path(name).exists()
    with engine.connect() as connection:
        row = connection.execute(text("SELECT file_name FROM instance")).one()
    assert store.path(row.file_name).exists()


def test_a_refused_row_leaves_no_file_and_quotes_nothing(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE instance ADD CHECK (patient_sex <> 'F')"))
    dataset = ct_dataset(PatientSex="F", Manufacturer="Winterbottom")
    with pytest.raises(OutOfResources) as refused:
        import_file(take, write_file(tmp_path / "a.dcm", dataset))
    assert list(store.names()) == []
    assert "Winterbottom" not in str(refused.value)
    assert dataset.SOPInstanceUID not in str(refused.value)


def test_the_same_bytes_again_heal_an_instance_whose_file_was_lost(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    path = write_file(tmp_path / "a.dcm", ct_dataset())
    import_file(take, path)
    store.remove(next(store.names()))
    assert import_file(take, path)[0] is Registration.STORED
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT file_name FROM instance")).scalars().all()
    assert rows == list(store.names())
