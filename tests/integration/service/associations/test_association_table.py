"""What is kept of the record and for how long, and what is read of it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Engine, text

from service.associations.listing import Position, Selection, list_associations, list_recorded
from service.associations.summary import ReasonCount, count_refusals
from service.associations.table import keep_running, prune_records, settle_abandoned
from service.housekeeping.keeper import Housekeeping
from service.settings import Settings
from tests.support.association_records import AT, made_record, rows, write
from tests.support.waiting import eventually

NOW = datetime.now(UTC)
MR_DEFLATED = "1.2.840.10008.5.1.4.1.1.4 with 1.2.840.10008.1.2.1.99"


def titles(engine: Engine) -> list[str]:
    return [row.calling_ae_title for row in rows(engine)]


def age(engine: Engine, association_id: UUID, seconds: float) -> None:
    """Have a line look as if nobody had touched it for so long."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE association SET recorded_at = now() - make_interval(secs => :s)"
                " WHERE association_id = :id"
            ),
            {"s": seconds, "id": association_id},
        )


def test_old_lines_go_and_the_newest_stay_within_a_number(engine: Engine) -> None:
    for day in range(10):
        write(engine, made_record(started_at=NOW - timedelta(days=day), calling_ae_title=f"{day}"))
    with engine.begin() as connection:
        assert prune_records(connection, 6.5, 100) == 3
    assert titles(engine) == ["6", "5", "4", "3", "2", "1", "0"]
    with engine.begin() as connection:
        assert prune_records(connection, 30, 3) == 4
        assert prune_records(connection, 30, 3) == 0
    assert titles(engine) == ["2", "1", "0"]


def test_the_node_itself_prunes(settings: Settings, engine: Engine) -> None:
    settings.dicom.keep_associations_days = 1
    write(engine, made_record(), made_record(started_at=NOW, calling_ae_title="NEW"))
    housekeeping = Housekeeping(settings, engine, pause_s=0.05)
    housekeeping.start()
    eventually(lambda: titles(engine) == ["NEW"], "the old line is gone")
    housekeeping.stop()


def test_associations_of_a_killed_node_are_lost_and_those_of_a_living_one_run(
    engine: Engine,
) -> None:
    killed, living = (made_record(outcome="running", ended_at=None) for _ in range(2))
    done = made_record()
    write(engine, killed, living, done)
    for record in (killed, living, done):
        age(engine, record.association_id, 1000)
    with engine.begin() as connection:
        keep_running(connection, [living.association_id, done.association_id])
        assert settle_abandoned(connection) == 1
    found = {row.association_id: row for row in rows(engine)}
    assert found[killed.association_id].outcome == "lost"
    assert "killed" in found[killed.association_id].reason
    assert found[killed.association_id].ended_at < datetime.now(UTC) - timedelta(seconds=900)
    assert found[living.association_id].outcome == "running"
    assert found[done.association_id].outcome == "released"


def test_an_end_that_comes_late_counts_after_all(engine: Engine) -> None:
    record = made_record(outcome="running", ended_at=None)
    write(engine, record)
    age(engine, record.association_id, 1000)
    with engine.begin() as connection:
        settle_abandoned(connection)
    write(engine, made_record(association_id=record.association_id))
    (row,) = rows(engine)
    assert (row.outcome, row.reason, row.ended_at) == ("released", None, AT + timedelta(seconds=2))


def test_pages_go_from_the_newest_to_the_oldest_and_miss_none(engine: Engine) -> None:
    # Three of each second, so that pages end within a second.
    made = [made_record(started_at=AT + timedelta(seconds=n // 3)) for n in range(20)]
    write(engine, *made)
    read, before = [], None
    with engine.connect() as connection:
        while page := list_associations(connection, Selection(), 4, before):
            read += page
            before = Position(page[-1].started_at, page[-1].association_id)
    order = sorted(made, key=lambda r: (r.started_at, r.association_id), reverse=True)
    assert read == order


def test_a_selection_takes_what_it_says(engine: Engine) -> None:
    good = made_record(calling_ae_title="GOOD", ended_at=AT + timedelta(hours=2))
    rejected = made_record(calling_ae_title="REJECTED", outcome="rejected", answers={})
    aborted = made_record(calling_ae_title="ABORTED", outcome="aborted")
    partly = made_record(calling_ae_title="PARTLY", refused_contexts=1)
    failing = made_record(calling_ae_title="FAILING", failed_answers=1)
    running = made_record(calling_ae_title="RUNNING", outcome="running", ended_at=None)
    write(engine, good, rejected, aborted, partly, failing, running)

    def selected(**selection: object) -> set[str | None]:
        with engine.connect() as connection:
            found = list_associations(connection, Selection(**selection), 100)  # type: ignore[arg-type]
        return {record.calling_ae_title for record in found}

    assert selected(refused=True) == {"REJECTED", "ABORTED", "PARTLY", "FAILING"}
    assert selected(outcome="rejected") == {"REJECTED"}
    assert selected(calling_ae_title="GOOD") == {"GOOD"}
    assert selected(calling_ae_title="GOOD", refused=True) == set()
    # What ended before is left out, what began before and was still there is not.
    assert selected(since=AT + timedelta(hours=1)) == {"GOOD", "RUNNING"}


def test_what_is_new_is_what_ended(engine: Engine) -> None:
    old, new, running = made_record(), made_record(), made_record(outcome="running", ended_at=None)
    write(engine, old, new, running)
    age(engine, old.association_id, 100)
    with engine.connect() as connection:
        assert list_recorded(connection, Selection(), 50) == [new]


def test_refusals_are_summed_up_by_reason(engine: Engine) -> None:
    wrong = {"outcome": "rejected", "reason": "called AE title was X, ours is PRECUNEUS"}
    write(
        engine,
        made_record(**wrong, connections=4),
        made_record(**wrong, address="10.9.9.9", ended_at=AT + timedelta(hours=1)),
        made_record(refused_contexts=1, first_refused_contexts=(MR_DEFLATED,)),
        made_record(answers={"0x0000": 9, "0xA700": 2}, failed_answers=2),
        made_record(answers={"0xA700": 1}, failed_answers=1),
    )
    with engine.connect() as connection:
        titled, full, deflated = count_refusals(connection, Selection())
        assert count_refusals(connection, Selection(calling_ae_title="OTHER")) == []
    last = AT + timedelta(hours=1)
    assert titled == ReasonCount("rejected", wrong["reason"], 5, 2, last)
    assert (full.what, full.count, full.addresses) == ("object", 3, 1)
    assert full.reason.startswith("0xA700 (disk or database")
    named = "MR Image Storage with Deflated Explicit VR Little Endian"
    assert (deflated.what, deflated.reason, deflated.count) == ("context", named, 1)
