"""Archives that people run are pulled from and accounted for."""

from datetime import date

import pytest
from sqlalchemy import Engine, text

from dicom_node.errors import OutOfResources
from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from dicom_node.receive import ReceivedObject, Receiver, Registration
from dicom_node.requesting.selection import Selection
from service.ingest import GalleryRegistrar
from service.opening import patient_keyer
from service.pulling.method import By
from service.pulling.reconciling import Account, reconcile
from service.pulling.throttle import Throttle
from service.settings import Settings
from tests.integration.service.pulling.conftest import SLICES, Archive, Made, MakeArchive

ALL = Selection(since=date(2024, 1, 1), until=date(2024, 2, 28))
HEADS = Selection(
    since=date(2024, 1, 1), until=date(2024, 2, 28), modalities=("CT",), body_parts=("HEAD",)
)


def registered(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(text("SELECT sop_instance_uid FROM instance")))


def accounted(archive: Archive, selection: Selection) -> Account:
    address = archive.peer.address(archive.own.ae_title)
    return reconcile(archive.engine, "pacs", address, selection)


@pytest.mark.usefixtures("dcmtk")
@pytest.mark.parametrize("by", ["move", "get"])
@pytest.mark.parametrize("kind", ["orthanc", "dcmqrscp"])
def test_everything_is_fetched_once(
    archive: MakeArchive, made: Made, engine: Engine, kind: str, by: By
) -> None:
    filled = archive(kind)
    before = accounted(filled, ALL)
    assert before.totals["missing"] == len(made.uids)
    assert not before.complete

    report = filled.puller(by).run("pacs", ALL)

    assert report.succeeded, report
    assert (report.by, report.studies, report.studies_done) == (by, 3, 3)
    assert (report.instances, report.known_already, report.received) == (12, 0, 12)
    assert registered(engine) == made.uids
    after = accounted(filled, ALL)
    assert after.complete
    assert (after.totals["pending"], after.totals["missing"]) == (12, 0)
    assert sorted(study.study_instance_uid for study in after.studies) == made.studies

    again = filled.puller(by).run("pacs", ALL)
    assert (again.resumed, again.known_already, again.received) == (False, 12, 0)


@pytest.mark.usefixtures("dcmtk")
@pytest.mark.parametrize("by", ["move", "get"])
@pytest.mark.parametrize("kind", ["orthanc", "dcmqrscp"])
def test_only_what_is_missing_of_what_is_selected_is_asked_for(
    archive: MakeArchive, made: Made, engine: Engine, take: Receiver, kind: str, by: By
) -> None:
    filled = archive(kind)
    import_file(take, made.files[0])
    report = filled.puller(by).run("pacs", HEADS)
    assert report.succeeded, report
    heads = {str(d.SOPInstanceUID) for d in made.datasets if d.Modality == "CT"}
    assert (report.instances, report.known_already) == (3 * SLICES, 1)
    assert report.received == 3 * SLICES - 1
    assert registered(engine) == heads
    with engine.connect() as connection:
        sources = connection.execute(text("SELECT source, count(*) FROM instance GROUP BY 1"))
        # What was here was not sent again, or it would be a duplicate without a trace.
        assert {source for source, _ in sources} >= {"import"}


@pytest.mark.usefixtures("dcmtk")
def test_a_peer_that_does_not_know_us_is_asked_by_get(archive: MakeArchive, made: Made) -> None:
    filled = archive("dcmqrscp", knows_us=False)
    puller = filled.puller(None)
    assert puller.method.by == "move"
    report = puller.run("pacs", ALL)
    assert report.succeeded
    assert report.by == "get"
    assert "0xA801" in report.reason
    assert report.received == len(made.uids)


@pytest.mark.usefixtures("dcmtk")
def test_one_study_by_its_uid(archive: MakeArchive, made: Made, engine: Engine) -> None:
    filled = archive("dcmqrscp")
    wanted = made.studies[1]
    report = filled.puller("get").run("pacs", Selection(wanted))
    assert (report.studies, report.received) == (1, 2 * SLICES)
    of_study = {str(d.SOPInstanceUID) for d in made.datasets if d.StudyInstanceUID == wanted}
    assert registered(engine) == of_study
    unknown = filled.puller("get").run("pacs", Selection("1.2.3.4"))
    assert [failure.study_instance_uid for failure in unknown.failures] == ["1.2.3.4"]
    assert not unknown.succeeded


@pytest.mark.usefixtures("dcmtk")
def test_a_study_that_fails_does_not_stop_the_others(
    archive: MakeArchive, made: Made, engine: Engine, settings: Settings, store: ObjectStore
) -> None:
    filled = archive("dcmqrscp")
    real = GalleryRegistrar(engine, patient_keyer(settings, engine), store)
    bad = made.studies[0]

    def register(received: ReceivedObject) -> Registration:
        if received.header.study_instance_uid == bad:
            raise OutOfResources("no room for this one")
        return real(received)

    report = filled.puller("get", Receiver(store, register)).run("pacs", ALL)
    (failure,) = report.failures
    assert failure.study_instance_uid == bad
    assert "4 of 4 instances did not arrive" in failure.reason
    assert (report.studies_done, report.received) == (2, 8)
    assert not report.succeeded
    assert filled.puller("get").run("pacs", ALL).received == 4
    assert registered(engine) == made.uids


class Interrupted(Exception):
    """Somebody pressed Ctrl-C."""


@pytest.mark.usefixtures("dcmtk")
def test_an_interrupted_pull_goes_on_where_it_was(
    archive: MakeArchive, made: Made, engine: Engine
) -> None:
    filled = archive("dcmqrscp")

    def interrupt(done: int, _all: int) -> None:
        if done == 1:
            raise Interrupted

    with pytest.raises(Interrupted):
        filled.puller("get").run("pacs", ALL, advance=interrupt)
    assert len(registered(engine)) == 4
    report = filled.puller("get").run("pacs", ALL)
    assert (report.resumed, report.studies, report.studies_done) == (True, 3, 3)
    # The study that was done is not even looked at.
    assert (report.instances, report.received) == (8, 8)
    assert registered(engine) == made.uids
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM pull JOIN pull_study USING (pull_id)"))
        written = " ".join(str(row) for row in rows)
    assert "ZQ-" not in written
    assert "Nobody" not in written


@pytest.mark.usefixtures("dcmtk")
@pytest.mark.parametrize("by", ["move", "get"])
def test_a_rate_is_kept_by_asking_for_few_at_a_time(
    archive: MakeArchive, made: Made, by: By
) -> None:
    slept: list[float] = []
    # So slow a rate that no request takes longer than its instance may.
    throttle = Throttle(0.001, sleep=slept.append)
    filled = archive("dcmqrscp")
    report = filled.puller(by, throttle=throttle).run("pacs", Selection(made.studies[0]))
    assert report.succeeded, report
    # Each of the four instances was a request of its own.
    assert report.received == len(slept) == 4
    assert max(slept) <= 1000
