from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import Engine, text

from dicom_node.errors import RefusedByRule
from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.receive import Receiver, Registration
from service import queue
from service.deletion.arriving import SENT_AGAIN
from service.deletion.deleting import Cause, delete_subject
from service.deletion.files import purge_files
from service.encoders.registry import ActiveEncoder
from service.errors import InstanceUnknown
from service.outcomes import Outcome, write_outcomes
from service.recover import recover
from service.search.similar import Query, similar
from tests.support.galleries import clustered_instances, fill
from tests.support.objects import ct_dataset, write_file
from tests.support.stored import count_rows

COMMAND = Cause("command", "operator", "asked for by the ward")
STUDY, SERIES = "1.2.3.1", "1.2.3.1.1"


def test_what_is_deleted_is_in_no_later_search(engine: Engine, encoder: ActiveEncoder) -> None:
    made = clustered_instances(4, 3)
    fill(engine, made, encoder)
    query = Query(made[0].sop_instance_uid, k=9)

    def found() -> set[str]:
        with engine.connect() as connection:
            answer = similar(connection, query)
        return {neighbour.study_instance_uid for neighbour in answer.neighbours}

    gone = made[-1].study_instance_uid
    assert gone in found()
    assert delete_subject(engine, "study", gone, COMMAND) == 3
    assert found() == {i.study_instance_uid for i in made[3:]} - {gone}
    assert count_rows(engine, "embedding") == 9
    assert count_rows(engine, "study") == 3
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM tombstone")).all()
    assert {row.sop_instance_uid for row in rows} == {
        i.sop_instance_uid for i in made if i.study_instance_uid == gone
    }
    assert {(row.cause, row.by_whom, row.reason) for row in rows} == {
        ("command", "operator", "asked for by the ward")
    }


def taken(take: Receiver, folder: Path, uid: str, seed: int = 1) -> tuple[Registration, Path]:
    """An instance of the one study, imported; and its file."""
    dataset = ct_dataset(
        seed=seed, sop_instance_uid=uid, study_instance_uid=STUDY, series_instance_uid=SERIES
    )
    file = write_file(folder / f"{uid}-{seed}.dcm", dataset)
    return import_file(take, file)[0], file


@pytest.mark.parametrize(("level", "uid"), [("study", STUDY), ("series", SERIES)])
def test_files_go_with_their_conflicts(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path, level: str, uid: str
) -> None:
    taken(take, tmp_path, "1.2.3.1.1.1")
    assert taken(take, tmp_path, "1.2.3.1.1.1", seed=2)[0] is Registration.CONFLICT
    taken(take, tmp_path, "1.2.3.1.1.2")
    assert len(list(store.names())) == 3
    assert delete_subject(engine, level, uid, COMMAND) == 2  # type: ignore[arg-type]
    assert purge_files(engine, store, 0) == 3
    assert list(store.names()) == []
    assert [count_rows(engine, t) for t in ("study", "series", "conflict", "embedding_job")] == [
        *(0, 0, 0, 0)
    ]
    assert purge_files(engine, store, 0) == 0


def test_an_instance_leaves_its_series(engine: Engine, take: Receiver, tmp_path: Path) -> None:
    taken(take, tmp_path, "1.2.3.1.1.1")
    taken(take, tmp_path, "1.2.3.1.1.2")
    assert delete_subject(engine, "instance", "1.2.3.1.1.1", COMMAND) == 1
    assert (count_rows(engine, "instance"), count_rows(engine, "series")) == (1, 1)
    with pytest.raises(InstanceUnknown, match=r"1\.2\.3\.1\.1\.1"):
        delete_subject(engine, "instance", "1.2.3.1.1.1", COMMAND)


def test_files_are_kept_as_long_as_the_rule_says_and_do_not_come_back(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    taken(take, tmp_path, "1.2.3.1.1.1")
    delete_subject(engine, "study", STUDY, COMMAND)
    assert purge_files(engine, store, 7) == 0
    assert len(list(store.names())) == 1
    report = recover(engine, store, take)
    assert (report.registered, report.missing_files) == (0, 0)
    assert count_rows(engine, "instance") == 0
    with engine.begin() as connection:
        connection.execute(text("UPDATE deleted_file SET deleted_at = now() - interval '8 days'"))
    assert purge_files(engine, store, 7) == 1
    assert list(store.names()) == []


def test_a_file_removed_just_before_a_crash_is_no_trouble(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    taken(take, tmp_path, "1.2.3.1.1.1")
    delete_subject(engine, "study", STUDY, COMMAND)
    (name,) = store.names()
    store.remove(name)
    assert recover(engine, store, take).missing_files == 0
    assert purge_files(engine, store, 0) == 1
    assert count_rows(engine, "deleted_file") == 0


def test_a_resend_is_new_and_told_apart(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    _, file = taken(take, tmp_path, "1.2.3.1.1.1")
    delete_subject(engine, "study", STUDY, COMMAND)
    purge_files(engine, store, 0)
    assert import_file(take, file)[0] is Registration.STORED
    with engine.connect() as connection:
        row = connection.execute(text("SELECT state, flags FROM instance")).one()
        sent_again = connection.scalar(text("SELECT sent_again_at FROM tombstone"))
    assert (row.state, row.flags) == ("pending", [SENT_AGAIN])
    assert sent_again is not None
    assert count_rows(engine, "embedding_job") == 1


def test_a_resend_is_refused_where_the_deletion_says_so(
    engine: Engine, take: Receiver, store: ObjectStore, tmp_path: Path
) -> None:
    _, file = taken(take, tmp_path, "1.2.3.1.1.1")
    delete_subject(engine, "study", STUDY, Cause("command", "operator", refuse=True))
    purge_files(engine, store, 0)
    with pytest.raises(RefusedByRule) as refusal:
        import_file(take, file)
    assert refusal.value.status == 0x0124
    assert list(store.names()) == []
    assert [count_rows(engine, t) for t in ("instance", "series", "study")] == [0, 0, 0]


def test_a_worker_that_has_the_job_writes_nothing_of_it(
    engine: Engine, encoder: ActiveEncoder, take: Receiver, tmp_path: Path
) -> None:
    taken(take, tmp_path, "1.2.3.1.1.1")
    owner = uuid4()
    with engine.begin() as connection:
        (job,) = queue.claim(connection, owner, 1, 30)
    delete_subject(engine, "study", STUDY, COMMAND)
    outcome = Outcome(job, [np.ones((1, encoder.dimension), np.float32)])
    assert write_outcomes(engine, encoder, owner, [outcome]) == set()
    assert count_rows(engine, "embedding") == 0
