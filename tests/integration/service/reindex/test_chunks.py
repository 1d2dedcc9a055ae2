"""Chunks: claimed once, settled once, and blamed one by one."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from service.decoding import Refusal
from service.deletion.rejecting import hide_instances
from service.encoders.activation import activate
from service.encoders.following import follow, hold_encoders
from service.errors import EncoderChanged, EncoderStateConflict
from service.outcomes import Outcome
from service.queue import SUSPECT_ATTEMPTS
from service.reindex.planning import cancel
from service.reindex.runs import left_to_embed
from service.reindex.writing import write_followed
from tests.integration.service.reindex.filling import Filling
from tests.support.galleries import write_embeddings
from tests.support.waiting import eventually


def test_every_instance_is_planned_once(filling: Filling) -> None:
    filling.begin(batch_size=4)
    seen: list[int] = []
    while jobs := filling.claim()[1]:
        assert len(jobs) <= 4
        seen += [job.instance_id for job in jobs]
    assert seen == sorted(filling.ids.values())


def test_small_chunks_are_taken_together(filling: Filling) -> None:
    filling.begin(batch_size=1)
    assert len(filling.claim(count=7)[1]) == 7


def test_who_lost_a_lease_writes_nothing(filling: Filling) -> None:
    filling.begin(batch_size=4)
    slow, jobs = filling.claim(lease_s=0)
    heir, again = filling.claim()
    assert [job.instance_id for job in again] == [job.instance_id for job in jobs]
    outcomes = filling.outcomes(jobs)
    assert write_followed(filling.engine, filling.other, slow, outcomes) == set()
    settled = write_followed(filling.engine, filling.other, heir, outcomes)
    assert settled == {job.instance_id for job in jobs}
    assert filling.has(filling.other) == sorted(settled)
    assert write_followed(filling.engine, filling.other, heir, outcomes) == set()


def test_what_is_given_back_counts_as_untried(filling: Filling) -> None:
    filling.begin(batch_size=30)
    for _ in range(SUSPECT_ATTEMPTS + 2):
        owner, jobs = filling.claim(count=30)
        assert {job.attempts for job in jobs} == {1}
        with filling.engine.begin() as connection:
            filling.jobs.release(connection, owner)


def test_a_renewed_lease_holds(filling: Filling) -> None:
    filling.begin(batch_size=30)
    owner, _ = filling.claim(lease_s=0)
    with filling.engine.begin() as connection:
        filling.jobs.renew(connection, owner, 3600)
    assert filling.claim()[1] == []


def test_a_chunk_that_ended_its_worker_is_split(filling: Filling) -> None:
    filling.begin(batch_size=30)
    for _ in range(SUSPECT_ATTEMPTS):
        filling.claim(count=30, lease_s=0)
    _, first = filling.claim(count=30)
    _, second = filling.claim(count=30)
    assert [len(first), len(second)] == [1, 1]
    assert first[0].instance_id != second[0].instance_id
    assert first[0].attempts == SUSPECT_ATTEMPTS + 1


def test_a_failure_is_kept_with_its_reason_and_not_tried_again(filling: Filling) -> None:
    filling.begin(batch_size=30)
    owner, jobs = filling.claim(count=30)
    outcomes = filling.outcomes(jobs)
    outcomes[0] = Outcome(jobs[0], refusal=Refusal("failed", "no picture"))
    write_followed(filling.engine, filling.other, owner, outcomes)
    assert filling.rows("SELECT instance_id, reason FROM reindex_failure") == [
        (jobs[0].instance_id, "no picture")
    ]
    assert len(filling.has(filling.other)) == 29
    assert filling.claim()[1] == []


def test_what_the_disk_did_not_give_is_tried_again(filling: Filling) -> None:
    filling.begin(batch_size=30)
    owner, jobs = filling.claim(count=30, lease_s=0)
    outcomes = filling.outcomes(jobs)
    outcomes[3] = Outcome(jobs[3], refusal=Refusal("failed", "no room", blame="disk"))
    write_followed(filling.engine, filling.other, owner, outcomes)
    _, again = filling.claim(count=30)
    assert [(job.instance_id, job.attempts) for job in again] == [(jobs[3].instance_id, 1)]


def test_what_is_deleted_or_hidden_meanwhile_is_not_written(filling: Filling) -> None:
    filling.begin(batch_size=30)
    owner, jobs = filling.claim(count=30)
    deleted, hidden = jobs[0].instance_id, jobs[1].instance_id
    with filling.engine.begin() as connection:
        ids = {"deleted": deleted, "hidden": hidden}
        connection.execute(text("DELETE FROM instance WHERE instance_id = :deleted"), ids)
        statement = "UPDATE instance SET state = 'unsupported' WHERE instance_id = :hidden"
        connection.execute(text(statement), ids)
    write_followed(filling.engine, filling.other, owner, filling.outcomes(jobs))
    assert filling.has(filling.other) == [job.instance_id for job in jobs[2:]]


def test_what_arrived_twice_is_written_once(filling: Filling) -> None:
    """A chunk of the plan and a note of the live writer may name one instance."""
    filling.begin(batch_size=30)
    some = sorted(filling.ids.values())[5]
    with filling.engine.begin() as connection:
        hold_encoders(connection)
        follow(connection, filling.first, [some])
    first, planned = filling.claim(count=1)
    second, noted = filling.claim(count=1)
    assert {len(planned), len(noted)} == {30, 1}
    for owner, jobs in ((first, planned), (second, noted)):
        write_followed(filling.engine, filling.other, owner, filling.outcomes(jobs))
    assert filling.has(filling.other) == sorted(filling.ids.values())


def test_labels_are_those_of_the_moment(filling: Filling) -> None:
    filling.begin(batch_size=30)
    owner, jobs = filling.claim(count=30)
    write_followed(filling.engine, filling.other, owner, filling.outcomes(jobs))
    found = filling.rows(f"SELECT DISTINCT labels FROM {filling.other.partition}")
    assert found == [([],)], "made-up labels stand in the rows alone"


def test_a_cancelled_reindex_takes_nothing_more(filling: Filling) -> None:
    filling.begin(batch_size=4)
    owner, jobs = filling.claim()
    cancel(filling.engine)
    with pytest.raises(EncoderChanged):
        write_followed(filling.engine, filling.other, owner, filling.outcomes(jobs))
    assert filling.has(filling.other) == []
    with filling.engine.connect() as connection:
        assert left_to_embed(connection, filling.other.encoder_id) == 0
    with pytest.raises(EncoderStateConflict, match="No reindex"):
        cancel(filling.engine)
    with pytest.raises(EncoderStateConflict, match="index reindex"):
        activate(filling.engine, filling.other.name)


def test_what_is_hidden_while_it_is_written_is_gone(filling: Filling) -> None:
    filling.begin(batch_size=30)
    some = filling.made[0]
    named = [filling.ids[some.sop_instance_uid]]

    def hide() -> None:
        with filling.engine.begin() as connection:
            hide_instances(connection, named, "rejected")

    def is_waiting() -> bool:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        return filling.rows(f"{waiting} AND wait_event_type = 'Lock'") == [(1,)]

    with ThreadPoolExecutor(1) as thread:
        with filling.engine.begin() as writer:
            held = "SELECT 1 FROM instance WHERE instance_id = :id FOR NO KEY UPDATE"
            writer.execute(text(held), {"id": named[0]})
            write_embeddings(writer, filling.other, [some], filling.ids)
            hiding = thread.submit(hide)
            eventually(is_waiting, "the rejection waits for the writer")
        hiding.result()
    assert filling.has(filling.other) == []
