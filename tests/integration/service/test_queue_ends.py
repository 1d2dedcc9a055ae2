"""How jobs leave the queue, or come back to it."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from service import queue
from tests.support.galleries import MadeInstance, expire_leases, fill, waiting_instances

LEASE_S = 3600.0


@pytest.fixture
def ids(engine: Engine) -> list[int]:
    """Six waiting instances."""
    return sorted(fill(engine, waiting_instances(6)).values())


def claim(engine: Engine, owner: UUID, count: int, *, suspects_first: bool = False) -> list[int]:
    with engine.begin() as connection:
        jobs = queue.claim(connection, owner, count, LEASE_S, suspects_first=suspects_first)
    return [job.instance_id for job in jobs]


def facts(engine: Engine) -> list[tuple[str, str | None, int | None]]:
    """State, reason and attempts of each instance; None without a job."""
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT state, reason, attempts FROM instance"
                " LEFT JOIN embedding_job USING (instance_id) ORDER BY instance_id"
            )
        )
        return [(row.state, row.reason, row.attempts) for row in rows]


def settle(engine: Engine, ids: Sequence[int], state: str, reason: str | None) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("DELETE FROM embedding_job WHERE instance_id = ANY (:ids)"), {"ids": list(ids)}
        )
        queue.settle(connection, ids, state, reason)


def test_counting_what_waits(engine: Engine, ids: list[int]) -> None:
    owner = uuid4()
    claimed = claim(engine, owner, 2)
    with engine.begin() as connection:
        assert queue.pending_count(connection) == 6
        queue.take(connection, owner, claimed)
        assert queue.pending_count(connection) == 4


@pytest.mark.parametrize("untried", [False, True])
def test_a_job_put_off_waits_for_its_lease_with_its_reason(
    engine: Engine, ids: list[int], untried: bool
) -> None:
    owner = uuid4()
    first, *rest = claim(engine, owner, 6)
    with engine.begin() as connection:
        queue.postpone(connection, owner, first, "the disk does not answer", untried=untried)
        # Whoever waits until all is done does not wait for this one.
        assert queue.pending_count(connection) == 5
    assert facts(engine)[0] == ("pending", "the disk does not answer", 0 if untried else 1)
    with engine.begin() as connection:
        queue.renew(connection, owner, LEASE_S)
        assert queue.take(connection, owner, [first]) == set()
        assert queue.take(connection, owner, rest) == set(rest)
    assert claim(engine, uuid4(), 6) == []
    expire_leases(engine)
    assert claim(engine, uuid4(), 6) == [first]


def test_nobody_puts_off_anothers_job(engine: Engine, ids: list[int]) -> None:
    owner = uuid4()
    first, *_ = claim(engine, owner, 6)
    with engine.begin() as connection:
        queue.postpone(connection, uuid4(), first, "not mine", untried=True)
    assert facts(engine) == [("pending", None, 1)] * 6


def test_suspects_come_first_when_it_is_their_turn(engine: Engine, ids: list[int]) -> None:
    for _ in range(queue.SUSPECT_ATTEMPTS):
        claim(engine, uuid4(), 2)
        expire_leases(engine)
    assert claim(engine, uuid4(), 6, suspects_first=True) == ids[:1]
    assert claim(engine, uuid4(), 6) == ids[2:]
    assert claim(engine, uuid4(), 6) == ids[1:2]


def test_without_suspects_the_others_come_all_the_same(engine: Engine, ids: list[int]) -> None:
    assert claim(engine, uuid4(), 6, suspects_first=True) == ids
    assert claim(engine, uuid4(), 6, suspects_first=True) == []


def test_failed_instances_are_queued_again(engine: Engine, ids: list[int]) -> None:
    settle(engine, ids[:2], "failed", "the decoder crashed on it")
    settle(engine, ids[2:3], "unsupported", "not an image")
    settle(engine, ids[3:4], "embedded", None)
    with engine.begin() as connection:
        assert queue.retry(connection) == 2
        assert queue.retry(connection) == 0
    assert facts(engine) == [
        ("pending", None, 0),
        ("pending", None, 0),
        ("unsupported", "not an image", None),
        ("embedded", None, None),
        ("pending", None, 0),
        ("pending", None, 0),
    ]
    assert claim(engine, uuid4(), 6) == [*ids[:2], *ids[4:]]


def test_only_those_named_are_queued_again(engine: Engine, ids: list[int]) -> None:
    settle(engine, ids[:3], "failed", "the decoder crashed on it")
    with engine.begin() as connection:
        assert queue.retry(connection, [ids[0], ids[5]]) == 1
        assert queue.retry(connection, []) == 0
    assert [state for state, _, _ in facts(engine)] == ["pending"] + ["failed"] * 2 + [
        "pending"
    ] * 3


def test_an_instance_that_is_gone_takes_its_job_along(engine: Engine, ids: list[int]) -> None:
    fill(engine, [MadeInstance("9.9", patient=99, state="pending")])
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM instance WHERE sop_instance_uid = '9.9'"))
        assert queue.pending_count(connection) == 6
