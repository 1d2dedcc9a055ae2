"""Many objects with one commit: each has its own outcome, and none fails for another's sake."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import Engine, text

from dicom_node.errors import OutOfResources
from dicom_node.files import ObjectStore
from dicom_node.importing import open_dicom_file
from dicom_node.receive import ReceivedObject, Registration
from service.ingest import GroupRegistrar
from service.opening import patient_keyer
from service.settings import Settings
from tests.support.databases import away, end_sessions
from tests.support.objects import ct_dataset, write_file
from tests.support.stored import count_rows, file_names, store_file

STORED, DUPLICATE, CONFLICT = Registration.STORED, Registration.DUPLICATE, Registration.CONFLICT


@pytest.fixture
def registrar(settings: Settings, engine: Engine, store: ObjectStore) -> Iterator[GroupRegistrar]:
    made = GroupRegistrar(engine, patient_keyer(settings, engine), store)
    yield made
    made.close()


@pytest.fixture
def received(store: ObjectStore, tmp_path: Path) -> Callable[[Dataset], ReceivedObject]:
    """Stores a dataset as the node does, up to its registration."""

    def receive(dataset: Dataset) -> ReceivedObject:
        path = write_file(tmp_path / "sent.dcm", dataset)
        header = open_dicom_file(path).header
        return ReceivedObject(header, store_file(store, path), "MODALITY")

    return receive


Receive = Callable[[Dataset], ReceivedObject]


def nothing() -> None:
    """The files are on disk already."""


@pytest.mark.parametrize("is_known", [True, False])
def test_a_group_costs_one_transaction(
    engine: Engine, registrar: GroupRegistrar, received: Receive, *, is_known: bool
) -> None:
    uids = {"study_instance_uid": "1.2", "series_instance_uid": "1.2.1"} if is_known else {}
    registrar.register_group([received(ct_dataset(**uids))], nothing)
    group = [received(ct_dataset(**uids)) for _ in range(5)]
    assert registrar.register_group(group, nothing) == [STORED] * 5
    with engine.connect() as connection:
        written = {str(xmin) for xmin in connection.scalars(text("SELECT xmin FROM instance"))}
    assert len(written) == 2
    assert count_rows(engine, "instance") == count_rows(engine, "embedding_job") == 6
    assert count_rows(engine, "study") == count_rows(engine, "series") == (1 if is_known else 6)


def test_each_object_of_a_mixed_group_has_its_own_outcome(
    engine: Engine, registrar: GroupRegistrar, received: Receive
) -> None:
    first, known = ct_dataset(seed=1), ct_dataset(seed=2)
    rival = ct_dataset(seed=3, sop_instance_uid=known.SOPInstanceUID)
    assert registrar.register_group([received(known)], nothing) == [STORED]
    datasets = [known, first, rival, first, ct_dataset(), rival]
    outcomes = registrar.register_group([received(dataset) for dataset in datasets], nothing)
    assert outcomes == [DUPLICATE, STORED, CONFLICT, DUPLICATE, STORED, DUPLICATE]
    assert count_rows(engine, "instance") == count_rows(engine, "embedding_job") == 3
    assert count_rows(engine, "conflict") == 1
    assert count_rows(engine, "series") == 3


def test_a_rival_that_comes_with_the_first_makes_no_study(
    engine: Engine, registrar: GroupRegistrar, received: Receive
) -> None:
    first = ct_dataset()
    rival = ct_dataset(sop_instance_uid=first.SOPInstanceUID)
    outcomes = registrar.register_group([received(first), received(rival)], nothing)
    assert outcomes == [STORED, CONFLICT]
    assert count_rows(engine, "study") == count_rows(engine, "series") == 1


def test_one_bad_object_does_not_fail_its_group(
    engine: Engine, registrar: GroupRegistrar, received: Receive
) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE instance ADD CHECK (patient_sex <> 'F')"))
    group = [received(ct_dataset(PatientSex=sex)) for sex in ("M", "F", "O")]
    outcomes = registrar.register_group(group, nothing)
    assert (outcomes[0], outcomes[2]) == (STORED, STORED)
    assert isinstance(outcomes[1], OutOfResources)
    assert not outcomes[1].outcome_unknown
    assert file_names(engine) == {group[0].file.name, group[2].file.name}


def test_a_connection_that_died_while_idle_costs_nothing(
    engine: Engine,
    registrar: GroupRegistrar,
    received: Receive,
    cluster_url: str,
    database_url: str,
) -> None:
    assert registrar.register_group([received(ct_dataset())], nothing) == [STORED]
    end_sessions(cluster_url, database_url)
    assert registrar.register_group([received(ct_dataset())], nothing) == [STORED]
    assert count_rows(engine, "instance") == 2


def test_without_a_database_all_are_refused_and_the_next_group_is_not(
    engine: Engine,
    registrar: GroupRegistrar,
    received: Receive,
    cluster_url: str,
    database_url: str,
) -> None:
    group = [received(ct_dataset()) for _ in range(3)]
    with away(cluster_url, database_url):
        outcomes = registrar.register_group(group, nothing)
    for outcome in outcomes:
        assert isinstance(outcome, OutOfResources)
        assert (outcome.status, outcome.outcome_unknown) == (0xA700, False)
    assert registrar.register_group(group, nothing) == [STORED] * 3
    assert count_rows(engine, "instance") == 3


def test_nothing_is_registered_before_it_is_on_disk(
    engine: Engine, registrar: GroupRegistrar, received: Receive
) -> None:
    def fail() -> None:
        raise RuntimeError("a file was not synced")

    group = [received(ct_dataset())]
    with pytest.raises(RuntimeError, match="not synced"):
        registrar.register_group(group, fail)
    assert count_rows(engine, "instance") == 0
    assert registrar.register_group(group, nothing) == [STORED]


@pytest.mark.parametrize("is_known", [True, False])
def test_a_commit_that_breaks_off_leaves_all_outcomes_open(
    engine: Engine, registrar: GroupRegistrar, received: Receive, *, is_known: bool
) -> None:
    uids = {"study_instance_uid": "1.2", "series_instance_uid": "1.2.1"} if is_known else {}
    registrar.register_group([received(ct_dataset(**uids))], nothing)
    with engine.begin() as connection:
        # Runs inside COMMIT, on either way into the gallery.
        connection.exec_driver_sql(
            """
            CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM pg_terminate_backend(pg_backend_pid());
                PERFORM pg_sleep(10);
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER die AFTER INSERT ON instance
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()
            """
        )
    outcomes = registrar.register_group([received(ct_dataset(**uids)) for _ in range(2)], nothing)
    for outcome in outcomes:
        assert isinstance(outcome, OutOfResources)
        assert outcome.outcome_unknown
    assert count_rows(engine, "instance") == 1
