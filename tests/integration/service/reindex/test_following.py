"""What is noted for a follower while its worker looks at the same note is not lost."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from service import queue
from service.encoders.following import follow, hold_encoders
from tests.integration.service.reindex.filling import Filling


def test_a_note_that_is_there_already_is_not_dropped_before_its_instance_is_embedded(
    filling: Filling,
) -> None:
    """An instance may come, go and come again before a follower has looked at it once."""
    some = min(filling.ids.values())
    filling.begin(batch_size=1)
    with filling.engine.begin() as connection:
        others = text("DELETE FROM reindex_chunk WHERE first_instance_id <> :id")
        connection.execute(others, {"id": some})
        wait = text("UPDATE instance SET state = 'pending' WHERE instance_id = :id")
        connection.execute(wait, {"id": some})
    with ThreadPoolExecutor(1) as thread, filling.engine.begin() as live:
        hold_encoders(live)
        follow(live, filling.first, [some])
        queue.settle(live, [some], "embedded", None)
        _, early = thread.submit(filling.claim).result(timeout=30)
    _, late = filling.claim()
    assert [job.instance_id for job in [*early, *late]] == [some]
