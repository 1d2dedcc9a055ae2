from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from dicom_node.errors import OutOfResources
from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.receive import Receiver, Registration
from tests.support.databases import administer, away
from tests.support.objects import ct_dataset, write_file
from tests.support.stored import count_rows, file_names


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
    assert count_rows(engine, "instance") == 1


def killing_listener(cluster_url: str, *, after_commit: bool) -> Callable[[Connection], None]:
    """Ends the session that is about to commit, or has just committed, before it hears so."""

    def kill(connection: Connection) -> None:
        session: Any = connection.connection.dbapi_connection
        if after_commit:
            with session.cursor() as cursor:
                cursor.execute("COMMIT")
        pid = session.info.backend_pid
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
    assert count_rows(engine, "instance") == int(after_commit)
    retried = import_file(take, path)[0]
    assert retried is (Registration.DUPLICATE if after_commit else Registration.STORED)
    assert store.path(name).exists()
    (registered,) = file_names(engine)
    assert store.path(registered).exists()


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
