"""Writers of several jobs and those who delete them wait for each other, and never in a ring."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from service import queue
from service.decoding import Refusal
from service.deletion.deleting import Cause, delete_instances
from service.encoders.registry import ActiveEncoder
from service.outcomes import Outcome, write_outcomes
from tests.support.galleries import fill, waiting_instances
from tests.support.locks import before, deadlocks, is_anybody_waiting
from tests.support.waiting import eventually

CAUSE = Cause("command", "operator")


@pytest.fixture
def held(engine: Engine, encoder: ActiveEncoder) -> tuple[UUID, list[Outcome]]:
    """A worker's two jobs: the first is to be postponed, the second cannot be embedded."""
    fill(engine, waiting_instances(2))
    owner = uuid4()
    with engine.begin() as connection:
        first, second = queue.claim(connection, owner, 2, 3600.0)
    later = Refusal("failed", "the disk is full", "disk")
    return owner, [Outcome(first, refusal=later), Outcome(second, refusal=Refusal("failed", "bad"))]


def delete(engine: Engine, outcomes: list[Outcome]) -> None:
    with engine.begin() as connection:
        delete_instances(connection, [outcome.job.instance_id for outcome in outcomes], CAUSE)


def test_a_deletion_between_two_writes_of_a_batch(
    engine: Engine, encoder: ActiveEncoder, held: tuple[UUID, list[Outcome]]
) -> None:
    """What is final is written before what is postponed, whatever their order."""
    owner, outcomes = held
    with ThreadPoolExecutor(1) as thread, deadlocks(engine) as found:
        deleting = []

        def delete_now() -> None:
            deleting.append(thread.submit(delete, engine, outcomes))
            eventually(lambda: is_anybody_waiting(engine), "the deletion waits for the worker")

        with before(engine, "UPDATE embedding_job", delete_now):
            assert write_outcomes(engine, encoder, owner, outcomes) == {outcomes[1].job.instance_id}
        deleting[0].result()
    assert found == []
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM instance")) == 0


def test_a_batch_that_is_the_victim_of_a_deadlock_is_written_again(
    engine: Engine, encoder: ActiveEncoder, held: tuple[UUID, list[Outcome]]
) -> None:
    """Somebody locks jobs in an order of his own."""
    owner, outcomes = held
    one = text("SELECT FROM embedding_job WHERE instance_id = :id FOR UPDATE")
    first, second = (outcome.job.instance_id for outcome in outcomes)
    with ThreadPoolExecutor(1) as thread, deadlocks(engine) as found:
        with engine.begin() as connection:
            connection.execute(one, {"id": second})
            writing = thread.submit(write_outcomes, engine, encoder, owner, outcomes)
            eventually(lambda: is_anybody_waiting(engine), "the worker waits")
            # Who has waited longer looks for a deadlock first, and finds this one.
            connection.execute(one, {"id": first})
        assert writing.result() == {second}
    assert len(found) == 1
    with engine.connect() as connection:
        states = connection.scalars(text("SELECT state FROM instance ORDER BY instance_id")).all()
    assert list(states) == ["pending", "failed"]


def test_jobs_are_locked_by_their_number(engine: Engine, held: tuple[UUID, list[Outcome]]) -> None:
    """A worker that ends gives its jobs back while one of them is held: it has the first."""
    owner, outcomes = held
    first, second = (outcome.job.instance_id for outcome in outcomes)
    one = text("SELECT FROM embedding_job WHERE instance_id = :id FOR UPDATE NOWAIT")
    with engine.begin() as connection:  # in the table the second now stands before the first
        connection.execute(
            text("UPDATE embedding_job SET attempts = 1 WHERE instance_id = :id"), {"id": first}
        )

    def release() -> None:
        with engine.begin() as connection:
            queue.release(connection, owner)

    with ThreadPoolExecutor(1) as thread, deadlocks(engine) as found:
        with engine.begin() as connection:
            connection.execute(one, {"id": first})
            releasing = thread.submit(release)
            eventually(lambda: is_anybody_waiting(engine), "the worker waits")
            connection.execute(one, {"id": second})
        releasing.result()
    assert found == []
