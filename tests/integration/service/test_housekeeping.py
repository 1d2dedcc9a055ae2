import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.receive import Receiver
from service.deletion.deleting import Cause, delete_subject
from service.encoders.registry import ActiveEncoder
from service.finding import Finding
from service.housekeeping.examining import examine_housekeeping
from service.housekeeping.keeper import Housekeeping
from service.housekeeping.rounds import Round, read_round, write_round
from service.logs import JsonFormatter
from service.metrics import exposition
from service.settings import Settings
from service.verifying.canary import read_canary
from tests.support.databases import away
from tests.support.galleries import clustered_instances, fill
from tests.support.objects import ct_dataset, write_file
from tests.support.waiting import eventually


def test_files_of_what_was_deleted_are_removed_although_the_database_was_away(
    settings: Settings,
    engine: Engine,
    take: Receiver,
    store: ObjectStore,
    tmp_path: Path,
    cluster_url: str,
    database_url: str,
) -> None:
    import_file(take, write_file(tmp_path / "a.dcm", ct_dataset(study_instance_uid="1.2.3")))
    delete_subject(engine, "study", "1.2.3", Cause("command", "operator"))
    housekeeping = Housekeeping(settings, engine, pause_s=0.05)
    with away(cluster_url, database_url):
        housekeeping.start()
    eventually(lambda: list(store.names()) == [], "the file is removed")
    housekeeping.stop()


@contextmanager
def kept(settings: Settings, engine: Engine) -> Iterator[None]:
    housekeeping = Housekeeping(settings, engine, pause_s=0.05)
    housekeeping.start()
    try:
        yield
    finally:
        housekeeping.stop()


def change(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def failing(engine: Engine) -> list[str] | None:
    found = last_round(engine)
    return None if found is None else sorted(found.failing)


def last_round(engine: Engine) -> Round | None:
    with engine.connect() as connection:
        return read_round(connection)


def told(engine: Engine) -> Finding:
    with engine.connect() as connection:
        return examine_housekeeping(connection)


def test_a_duty_that_fails_as_nobody_thought_of_ends_nothing(
    settings: Settings,
    engine: Engine,
    encoder: ActiveEncoder,
    take: Receiver,
    store: ObjectStore,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What the canary found cannot be written: it fails, and the others go on."""
    fill(engine, clustered_instances(8, 5), encoder)
    forbid = "ADD CONSTRAINT \"DOE^JANE\" CHECK (name <> 'recall_canary')"
    change(engine, f"ALTER TABLE installation {forbid}")
    with kept(settings, engine), caplog.at_level(logging.INFO, logger="precuneus.node"):
        eventually(lambda: failing(engine) == ["canary"], "the failure is noted")
        import_file(take, write_file(tmp_path / "a.dcm", ct_dataset(study_instance_uid="1.2.3")))
        delete_subject(engine, "study", "1.2.3", Cause("command", "operator"))
        eventually(lambda: list(store.names()) == [], "the file is removed all the same")
        found = told(engine)
        assert (found.verdict, found.facts["failing"]) == ("wrong", "canary")
        assert "canary (IntegrityError" in found.detail
        change(engine, 'ALTER TABLE installation DROP CONSTRAINT "DOE^JANE"')
        eventually(lambda: failing(engine) == [], "it is well again")
        assert told(engine).verdict == "ok"
    with engine.connect() as connection:
        assert read_canary(connection) is not None
    lines = [JsonFormatter().format(record) for record in caplog.records]
    failed = [line for line in lines if '"canary.failed"' in line]
    assert failed
    assert all("IntegrityError" in line and "DOE" not in line for line in failed)


def test_metrics_tell_what_fails_and_since_when(settings: Settings, engine: Engine) -> None:
    assert b"housekeeping" not in exposition(engine)
    with kept(settings, engine):
        eventually(lambda: last_round(engine) is not None, "a round is done")
    lines = exposition(engine).decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert 0 <= float(values["precuneus_housekeeping_age_seconds"]) < 100
    assert not [name for name in values if name.startswith("precuneus_housekeeping_failing")]


def test_a_node_that_keeps_house_no_more_is_noticed(settings: Settings, engine: Engine) -> None:
    assert told(engine).detail == "never done yet"
    with engine.begin() as connection:
        write_round(connection, Round(0.0, {}))
    assert (told(engine).verdict, "Is the node up?" in told(engine).remedy) == ("note", True)


@pytest.mark.parametrize("value", ["DOE^JANE", "{}", '{"at": 1e99, "failing": {}}'])
def test_a_note_that_cannot_be_read_is_told_and_written_anew(
    settings: Settings, engine: Engine, value: str
) -> None:
    statement = text("INSERT INTO installation VALUES ('housekeeping', :value)")
    with engine.begin() as connection:
        connection.execute(statement, {"value": value})
    found = told(engine)
    assert (found.verdict, found.detail) == (
        "note",
        "What is noted as housekeeping cannot be read.",
    )
    assert b'precuneus_unreadable_notes{note="housekeeping"} 1.0' in exposition(engine)
    with kept(settings, engine):
        eventually(lambda: told(engine).verdict == "ok", "a round is done")
