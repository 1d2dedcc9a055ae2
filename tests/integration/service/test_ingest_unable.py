"""A database that cannot work just now is asked once for a group, not once for each object."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import Engine, event, text
from sqlalchemy.engine import ExceptionContext

from dicom_node.errors import OutOfResources
from dicom_node.files import ObjectStore
from dicom_node.importing import open_dicom_file
from dicom_node.receive import ReceivedObject, Registration
from service.ingest import GroupRegistrar
from service.opening import patient_keyer
from service.settings import Settings
from tests.support.databases import away, count_sessions, end_sessions
from tests.support.objects import ct_dataset, write_file
from tests.support.stored import count_rows, store_file
from tests.support.waiting import eventually

STORED = Registration.STORED
Receive = Callable[[Dataset], ReceivedObject]


def ordinary() -> Dataset:
    """A slice of the one series that these tests know."""
    return ct_dataset(study_instance_uid="1.2", series_instance_uid="1.2.1")


@pytest.fixture
def registrar(
    settings: Settings, engine: Engine, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GroupRegistrar]:
    """One whose patience is short."""
    monkeypatch.setattr("service.ingest._SESSION", "SET lock_timeout = '300ms'")
    made = GroupRegistrar(engine, patient_keyer(settings, engine), store)
    yield made
    made.close()


@pytest.fixture
def received(store: ObjectStore, tmp_path: Path) -> Receive:
    def receive(dataset: Dataset) -> ReceivedObject:
        path = write_file(tmp_path / "sent.dcm", dataset)
        return ReceivedObject(open_dicom_file(path).header, store_file(store, path), "MODALITY")

    return receive


@pytest.fixture
def failures(engine: Engine) -> Iterator[list[str]]:
    """The statements that failed on the long way, as they fail."""
    seen: list[str] = []

    def note(context: ExceptionContext) -> None:
        seen.append(str(context.statement))

    event.listen(engine, "handle_error", note)
    yield seen
    event.remove(engine, "handle_error", note)


def nothing() -> None:
    """The files are on disk already."""


def assert_refused(outcomes: object, count: int) -> None:
    assert isinstance(outcomes, list)
    assert len(outcomes) == count
    for outcome in outcomes:
        assert isinstance(outcome, OutOfResources)
        assert (outcome.status, outcome.outcome_unknown) == (0xA700, False)


@pytest.mark.parametrize(("way", "long_waits"), [("express", 0), ("long", 1), ("new", 1)])
def test_a_locked_table_is_waited_for_once(
    engine: Engine,
    registrar: GroupRegistrar,
    received: Receive,
    failures: list[str],
    way: str,
    long_waits: int,
) -> None:
    if way != "new":
        registrar.register_group([received(ordinary())], nothing)
    before = count_rows(engine, "instance")
    group = [received(ordinary()) for _ in range(4)]
    # One object twice is nothing for the express lane.
    sent = [*group, group[0]] if way == "long" else group
    with engine.connect() as other, other.begin():
        other.execute(text("LOCK TABLE instance IN ACCESS EXCLUSIVE MODE"))
        assert_refused(registrar.register_group(sent, nothing), len(sent))
    assert len(failures) == long_waits
    assert registrar.register_group(group, nothing) == [STORED] * 4
    assert count_rows(engine, "instance") == before + 4


@pytest.mark.parametrize(
    ("code", "tries"),
    [("57014", 1), ("55P03", 1), ("53100", 2), ("53200", 2), ("40P01", 3), ("23514", 5)],
)
def test_only_what_is_about_an_object_is_tried_one_by_one(
    engine: Engine, registrar: GroupRegistrar, received: Receive, code: str, tries: int
) -> None:
    """Beside the express lane, which is no wait but for the first two."""
    registrar.register_group([received(ordinary())], nothing)
    with engine.begin() as connection:
        # A sequence counts what is rolled back, too.
        connection.exec_driver_sql(
            f"""
            CREATE SEQUENCE tries;
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM nextval('tries');
                RAISE EXCEPTION 'as the test wants it' USING ERRCODE = '{code}';
            END $$;
            CREATE TRIGGER fail BEFORE INSERT ON instance
                FOR EACH STATEMENT EXECUTE FUNCTION fail()
            """
        )
    group = [received(ordinary()) for _ in range(3)]
    assert_refused(list(registrar.register_group(group, nothing)), 3)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT last_value FROM tries")) == tries


def test_a_connection_that_could_not_be_prepared_is_closed(
    engine: Engine, registrar: GroupRegistrar, received: Receive
) -> None:
    sessions = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND state LIKE 'idle in transaction%'"
    )
    group = [received(ct_dataset())]
    with engine.connect() as other, other.begin():
        other.execute(text("LOCK TABLE instance IN ACCESS EXCLUSIVE MODE"))
        # Held, with the frames that led to them, while we look.
        refused = [registrar.register_group(group, nothing)[0] for _ in range(3)]
    with engine.connect() as other:

        def is_closed() -> bool:
            other.rollback()
            return int(other.scalar(sessions) or 0) == 0

        eventually(is_closed, "the connections are closed")
    assert_refused(refused, 3)


def test_the_long_way_settles_what_the_short_one_left_open(
    engine: Engine,
    registrar: GroupRegistrar,
    received: Receive,
    cluster_url: str,
    database_url: str,
) -> None:
    registrar.register_group([received(ordinary())], nothing)
    end_sessions(cluster_url, database_url)
    group = [received(ordinary()) for _ in range(3)]
    assert registrar.register_group(group, nothing) == [STORED] * 3
    assert count_rows(engine, "instance") == 4
    # What the short way had committed before it broke off is found again, by its file.
    assert registrar.register_group(group, nothing) == [STORED] * 3
    assert count_rows(engine, "instance") == 4


def test_a_connection_that_ended_before_leaves_no_doubt(
    registrar: GroupRegistrar, received: Receive, cluster_url: str, database_url: str
) -> None:
    registrar.register_group([received(ordinary())], nothing)
    group = [received(ordinary()) for _ in range(2)]
    with away(cluster_url, database_url):
        eventually(lambda: count_sessions(cluster_url, database_url) == 0, "all have ended")
        assert_refused(registrar.register_group(group, None), 2)
        assert_refused(registrar.register_group(group, nothing), 2)


def test_a_lost_connection_does_not_hide_what_went_wrong(
    registrar: GroupRegistrar, received: Receive, cluster_url: str, database_url: str
) -> None:
    def fail() -> None:
        end_sessions(cluster_url, database_url)
        raise RuntimeError("a file was not synced")

    group = [received(ct_dataset())]
    with pytest.raises(RuntimeError, match="not synced"):
        registrar.register_group(group, fail)
    assert registrar.register_group(group, nothing) == [STORED]


def test_a_study_that_is_deleted_meanwhile_is_made_anew(
    engine: Engine, registrar: GroupRegistrar, received: Receive
) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO study (study_instance_uid) VALUES ('1.2')"))
    deleted: list[int] = []

    def delete_once(connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO study") and not deleted:
            deleted.append(0)
            with engine.begin() as other:
                deleted.append(other.execute(text("DELETE FROM study")).rowcount)

    event.listen(engine, "after_cursor_execute", delete_once)
    outcomes = registrar.register_group([received(ordinary()), received(ct_dataset())], nothing)
    event.remove(engine, "after_cursor_execute", delete_once)
    assert deleted == [0, 1]
    assert outcomes == [STORED, STORED]
    assert count_rows(engine, "study") == 2
