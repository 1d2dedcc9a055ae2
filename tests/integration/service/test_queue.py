from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from service import queue
from service.queue import Job
from tests.support.galleries import expire_leases, fill, waiting_instances

LEASE_S = 3600.0


@pytest.fixture
def jobs(engine: Engine) -> dict[str, int]:
    """Twenty waiting instances."""
    return fill(engine, waiting_instances(20))


def claim(engine: Engine, owner: UUID, count: int = 100) -> list[Job]:
    with engine.begin() as connection:
        return queue.claim(connection, owner, count, LEASE_S)


def take(engine: Engine, owner: UUID, ids: Sequence[int]) -> set[int]:
    with engine.begin() as connection:
        return queue.take(connection, owner, ids)


def attempts(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(
            connection.scalars(text("SELECT attempts FROM embedding_job ORDER BY instance_id"))
        )


def ids_of(claimed: Sequence[Job]) -> list[int]:
    return [job.instance_id for job in claimed]


def test_a_claim_tells_all_that_the_worker_needs(engine: Engine, jobs: dict[str, int]) -> None:
    made = waiting_instances(20)[3]
    claimed = {job.sop_instance_uid: job for job in claim(engine, uuid4())}
    assert set(claimed) == set(jobs)
    with engine.connect() as connection:
        keys = connection.execute(
            text(
                "SELECT series_id, study_id FROM instance JOIN series USING (series_id)"
                f" WHERE instance_id = {jobs[made.sop_instance_uid]}"
            )
        ).one()
    assert claimed[made.sop_instance_uid] == Job(
        instance_id=jobs[made.sop_instance_uid],
        sop_instance_uid=made.sop_instance_uid,
        file_name=f"00/{made.sop_instance_uid}.dcm",
        patient_key=made.patient_key,
        modality="CT",
        attempts=1,
        series_id=keys.series_id,
        study_id=keys.study_id,
        patient_sex=None,
        patient_age_years=None,
    )


def test_the_oldest_come_first_and_no_more_than_asked(engine: Engine, jobs: dict[str, int]) -> None:
    first, second = claim(engine, uuid4(), 3), claim(engine, uuid4(), 30)
    assert ids_of(first) + ids_of(second) == sorted(jobs.values())
    assert len(first) == 3
    assert claim(engine, uuid4()) == []


def test_claims_of_workers_at_once_are_disjoint(engine: Engine) -> None:
    workers, each = 8, 15
    jobs = fill(engine, waiting_instances(workers * each))
    barrier = Barrier(workers)

    def work(_number: int) -> list[int]:
        owner, mine = uuid4(), list[int]()
        barrier.wait()
        while claimed := claim(engine, owner, 7):
            mine += ids_of(claimed)
        return mine

    with ThreadPoolExecutor(workers) as threads:
        claimed = [number for mine in threads.map(work, range(workers)) for number in mine]
    # A worker may find all free jobs locked and stop early; what is left is nobody's.
    claimed += ids_of(claim(engine, uuid4(), 1000))
    assert sorted(claimed) == sorted(jobs.values())


def test_a_claim_that_is_not_committed_hides_its_jobs_without_blocking(
    engine: Engine, jobs: dict[str, int]
) -> None:
    with engine.connect() as one, engine.connect() as other:
        first = queue.claim(one, uuid4(), 8, LEASE_S)
        second = queue.claim(other, uuid4(), 100, LEASE_S)
        assert len(first) == 8
        assert ids_of(first) + ids_of(second) == sorted(jobs.values())
        one.rollback()
    # The worker died before its claim counted: nothing was tried.
    assert len(claim(engine, uuid4())) == 20
    assert attempts(engine) == [1] * 20


def test_a_lease_that_ran_out_hands_the_job_over(engine: Engine, jobs: dict[str, int]) -> None:
    lost, heir = uuid4(), uuid4()
    claim(engine, lost)
    assert claim(engine, heir) == []
    expire_leases(engine)
    assert ids_of(claim(engine, heir)) == sorted(jobs.values())
    # The first worker was only slow: it must write nothing.
    assert take(engine, lost, list(jobs.values())) == set()
    assert take(engine, heir, list(jobs.values())) == set(jobs.values())
    assert take(engine, heir, list(jobs.values())) == set()


def test_only_one_of_two_that_settle_at_once_may_write(
    engine: Engine, jobs: dict[str, int]
) -> None:
    owner, ids = uuid4(), list(jobs.values())
    claim(engine, owner)
    barrier = Barrier(4)

    def settle(_number: int) -> set[int]:
        barrier.wait()
        return take(engine, owner, ids)

    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(settle, range(4)))
    assert sorted(number for part in taken for number in part) == sorted(ids)


def test_what_is_taken_comes_back_when_the_writing_fails(
    engine: Engine, jobs: dict[str, int]
) -> None:
    owner, ids = uuid4(), list(jobs.values())
    claim(engine, owner)
    with engine.connect() as connection:
        assert queue.take(connection, owner, ids) == set(ids)
        connection.rollback()
    assert take(engine, owner, ids) == set(ids)


def test_renewing_extends_only_ones_own_leases(engine: Engine, jobs: dict[str, int]) -> None:
    owner, other = uuid4(), uuid4()
    mine, others = claim(engine, owner, 5), claim(engine, other, 5)
    expire_leases(engine)
    with engine.begin() as connection:
        queue.renew(connection, owner, LEASE_S)
    free = ids_of(claim(engine, uuid4()))
    assert set(free) == set(jobs.values()) - set(ids_of(mine))
    assert set(ids_of(others)) <= set(free)


def test_renewing_does_not_wait_for_jobs_that_are_being_settled(
    engine: Engine, jobs: dict[str, int]
) -> None:
    owner = uuid4()
    claim(engine, owner)
    expire_leases(engine)
    settled, *rest = sorted(jobs.values())
    with engine.connect() as settling, engine.connect() as renewing:
        queue.take(settling, owner, [settled])
        renewing.execute(text("SET lock_timeout = '5s'"))
        queue.renew(renewing, owner, LEASE_S)
        renewing.commit()
        settling.commit()
    assert claim(engine, uuid4()) == []
    assert take(engine, owner, rest) == set(rest)


def test_releasing_gives_the_attempt_back(engine: Engine, jobs: dict[str, int]) -> None:
    owner = uuid4()
    claim(engine, owner, 5)
    claim(engine, uuid4(), 5)
    assert attempts(engine) == [1] * 10 + [0] * 10
    with engine.begin() as connection:
        queue.release(connection, owner)
    assert attempts(engine) == [0] * 5 + [1] * 5 + [0] * 10
    assert len(claim(engine, uuid4())) == 15


def test_a_job_that_ended_workers_is_tried_alone_and_last(
    engine: Engine, jobs: dict[str, int]
) -> None:
    suspects = sorted(jobs.values())[:3]
    for _ in range(queue.SUSPECT_ATTEMPTS):
        claim(engine, uuid4(), 3)
        expire_leases(engine)
    assert attempts(engine)[:4] == [queue.SUSPECT_ATTEMPTS] * 3 + [0]
    assert ids_of(claim(engine, uuid4())) == sorted(jobs.values())[3:]
    for suspect in suspects:
        (job,) = claim(engine, uuid4())
        assert (job.instance_id, job.attempts) == (suspect, queue.SUSPECT_ATTEMPTS + 1)
    assert claim(engine, uuid4()) == []


def test_settling_sets_state_and_reason(engine: Engine, jobs: dict[str, int]) -> None:
    one, other, *rest = sorted(jobs.values())
    with engine.begin() as connection:
        queue.settle(connection, [one], "embedded", None)
        queue.settle(connection, [other], "failed", "the decoder crashed on it")
        rows = connection.execute(
            text("SELECT state, reason, settled_at IS NOT NULL FROM instance ORDER BY instance_id")
        ).all()
    assert [tuple(row) for row in rows[:3]] == [
        ("embedded", None, True),
        ("failed", "the decoder crashed on it", True),
        ("pending", None, False),
    ]
    assert len(rows) == 2 + len(rest)
