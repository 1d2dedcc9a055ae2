"""Whoever activates an encoder waits for workers, and workers for it, and never both at once."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from service.encoders.activation import activate
from service.encoders.partitions import create_index
from service.reindex.writing import write_followed
from tests.integration.service.reindex.filling import Filling
from tests.support.locks import before, deadlocks, is_anybody_waiting
from tests.support.waiting import eventually


def test_a_chunk_is_split_while_its_encoder_is_activated(filling: Filling) -> None:
    """The worker holds the chunk and adds one that the activation has deleted already."""
    engine, other = filling.engine, filling.other
    first = min(filling.ids.values())
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO reindex_chunk VALUES (:encoder_id, :id, :id, 1, false)"),
            {"encoder_id": other.encoder_id, "id": first},
        )
    filling.begin(batch_size=4)
    with engine.begin() as connection:
        create_index(connection, other.encoder_id, other.dimension)
        connection.execute(text("UPDATE reindex_chunk SET attempts = 2 WHERE instances > 1"))
    with ThreadPoolExecutor(1) as thread, deadlocks(engine) as found:
        activating = []

        def activate_now() -> None:
            activating.append(thread.submit(activate, engine, other.name, force=True))
            eventually(lambda: is_anybody_waiting(engine), "the activation waits for the worker")

        with before(engine, "INSERT INTO reindex_chunk", activate_now):
            filling.claim(suspects_first=True)
        assert activating[0].result().encoder == other.name
    assert found == []
    assert filling.rows("SELECT count(*) FROM reindex_chunk WHERE encoder_id = :id", id=2) == [(0,)]


def test_an_activation_that_is_the_victim_of_a_deadlock_is_tried_again(filling: Filling) -> None:
    """Somebody locks an instance before its job, which others lock first."""
    engine, other = filling.engine, filling.other
    filling.begin(batch_size=30)
    owner, jobs = filling.claim(count=30)
    write_followed(engine, other, owner, filling.outcomes(jobs))
    one = {"id": jobs[0].instance_id}
    with engine.begin() as connection:
        create_index(connection, other.encoder_id, other.dimension)
        connection.execute(
            text("UPDATE instance SET state = 'pending' WHERE instance_id = :id"), one
        )
        connection.execute(text("INSERT INTO embedding_job (instance_id) VALUES (:id)"), one)
    with ThreadPoolExecutor(1) as thread, deadlocks(engine) as found:
        with engine.begin() as connection:
            connection.execute(text("SELECT FROM instance WHERE instance_id = :id FOR UPDATE"), one)
            activating = thread.submit(activate, engine, other.name, force=True)
            eventually(lambda: is_anybody_waiting(engine), "the activation waits for the instance")
            # Who has waited longer looks for a deadlock first, and finds this one.
            connection.execute(
                text("SELECT FROM embedding_job WHERE instance_id = :id FOR UPDATE"), one
            )
        assert activating.result().recovered == 1
    assert len(found) == 1
    state = "SELECT state FROM instance WHERE instance_id = :id"
    assert filling.rows(state, **one) == [("embedded",)]
