"""Workers that lose their lease, their database, their life, or meet each other."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import SQLAlchemyError

from service import queue
from tests.integration.service.worker.conftest import Bench, MakeWorker, run_until_drained
from tests.support.databases import administer, away
from tests.support.embedders import Batch
from tests.support.galleries import expire_leases
from tests.support.objects import ct_dataset


def blank(**changes: Any) -> Any:
    """A slice without contrast, which preparation turns into zeros."""
    return ct_dataset(PixelData=b"\0" * 2 * 64 * 64, **changes)


def only_once(call: Callable[[], object]) -> Callable[[Batch], None]:
    """A hook that acts on the first batch alone."""
    calls = [call]

    def before(_batch: Batch) -> None:
        if calls:
            calls.pop()()

    return before


def test_a_worker_that_lost_its_lease_writes_nothing(
    bench: Bench, make_worker: MakeWorker, engine: Engine
) -> None:
    uids = bench.add(*(ct_dataset(seed=n) for n in range(4)))
    heir = make_worker()
    settled_by_heir: list[int] = []

    def overtake() -> None:
        expire_leases(engine)
        settled_by_heir.append(heir.run_batch())

    slow = make_worker(only_once(overtake))
    assert slow.run_batch() == 0
    assert settled_by_heir == [4]
    assert all(bench.settled()[uid].frames == 1 for uid in uids)


def test_a_worker_writes_what_it_still_owns(
    bench: Bench, make_worker: MakeWorker, engine: Engine
) -> None:
    bench.add(*(ct_dataset(seed=n) for n in range(4)))
    heir = make_worker(batch_size=1)

    def overtake() -> None:
        with engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE embedding_job SET leased_until = now() - interval '1 s' WHERE"
                    " instance_id = (SELECT min(instance_id) FROM embedding_job)"
                )
            )
        assert heir.run_batch() == 1

    assert make_worker(only_once(overtake)).run_batch() == 3
    assert bench.states() == ["embedded"] * 4
    assert bench.waiting() == 0


def test_workers_side_by_side_embed_each_instance_once(
    bench: Bench, make_worker: MakeWorker
) -> None:
    bench.add(*(ct_dataset(seed=n, pixels=None) for n in range(24)))
    seen: list[int] = []
    workers = [make_worker(lambda batch: seen.append(len(batch)), batch_size=3) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(worker.run, once=True) for worker in workers]:
            done.result()
    assert bench.states() == ["embedded"] * 24
    assert sum(seen) == 24


def test_a_job_that_ends_its_worker_again_and_again_is_given_up(
    bench: Bench, make_worker: MakeWorker, engine: Engine
) -> None:
    bench.add(*(ct_dataset(seed=n) for n in range(3)))
    (poison,) = bench.add(blank())
    bench.add(*(ct_dataset(seed=n) for n in range(3, 6)))

    def die_of_poison(batch: Batch) -> None:
        if not batch.any(axis=(1, 2)).all():
            raise RuntimeError("the worker dies")

    deaths = 0
    # Each worker stands for a process that the supervisor starts after the death of the last.
    while bench.waiting():
        try:
            make_worker(die_of_poison).run(once=True)
        except RuntimeError:
            deaths += 1
            expire_leases(engine)
    assert deaths == queue.MAXIMUM_ATTEMPTS
    found = bench.settled()
    assert found.pop(poison).reason == f"the worker ended {deaths} times while embedding it"
    assert {settled.state for settled in found.values()} == {"embedded"}


class Outage(logging.Handler):
    """The database is away until the worker says that it waits for it."""

    def __init__(self, cluster_url: str, database_url: str) -> None:
        super().__init__()
        self._away = away(cluster_url, database_url)
        self.has_ended = False

    def begin(self) -> None:
        self._away.__enter__()

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "action", "") == "database_lost" and not self.has_ended:
            self.has_ended = True
            self._away.__exit__(None, None, None)


def test_a_worker_outlives_a_database_that_goes_away(
    bench: Bench, make_worker: MakeWorker, cluster_url: str, database_url: str
) -> None:
    bench.add(*(ct_dataset(seed=n) for n in range(6)))
    outage = Outage(cluster_url, database_url)
    logger = logging.getLogger("precuneus.worker")
    logger.addHandler(outage)
    try:
        # The worker cannot give its jobs back meanwhile: they come when their lease runs out.
        run_until_drained(
            bench, make_worker, before=only_once(outage.begin), batch_size=3, lease_s=3
        )
    finally:
        logger.removeHandler(outage)
    assert outage.has_ended
    assert bench.states() == ["embedded"] * 6


def test_a_connection_that_dies_in_the_middle_of_the_copy_costs_nothing(
    bench: Bench, make_worker: MakeWorker, cluster_url: str, engine: Engine
) -> None:
    uids = bench.add(*(ct_dataset(seed=n) for n in range(6)))
    killed: list[int] = []

    def kill(_connection: Any, cursor: Any, statement: str, *_others: object) -> None:
        # The last statement before the rows go over the wire.
        if "JOIN label l" in statement and not killed:
            killed.append(cursor.connection.info.backend_pid)
            administer(cluster_url, f"SELECT pg_terminate_backend({killed[0]}, 5000)")

    event.listen(engine, "after_cursor_execute", kill)
    run_until_drained(bench, make_worker, batch_size=3)
    assert killed
    assert {uid: s.frames for uid, s in bench.settled().items()} == dict.fromkeys(uids, 1)
    assert bench.states() == ["embedded"] * 6


def test_with_once_a_database_that_goes_away_is_an_error(
    bench: Bench, make_worker: MakeWorker, cluster_url: str, database_url: str
) -> None:
    bench.add(ct_dataset())
    with away(cluster_url, database_url), pytest.raises(SQLAlchemyError):
        make_worker().run(once=True)
    make_worker().run(once=True)
    assert bench.states() == ["embedded"]


def test_leases_are_renewed_while_a_batch_is_under_way(
    bench: Bench, make_worker: MakeWorker, engine: Engine
) -> None:
    bench.add(ct_dataset())

    def wait_for_renewal() -> None:
        def lease() -> Any:
            with engine.connect() as connection:
                return connection.execute(
                    text("SELECT leased_until FROM embedding_job")
                ).scalar_one()

        first = lease()
        while lease() == first:
            pass

    assert make_worker(only_once(wait_for_renewal), lease_s=3).run_batch() == 1
