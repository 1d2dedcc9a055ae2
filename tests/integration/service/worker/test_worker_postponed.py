"""Jobs that are put off because something other than their object may be at fault."""

import pytest
from sqlalchemy import Engine, text

from dicom_node.files import ObjectStore
from model.embedder import Embedder
from service import queue
from service.decoding import Refusal
from service.encoders.registry import ActiveEncoder
from service.lease import BatchLease
from service.outcomes import Outcome, write_outcomes
from tests.integration.service.worker.conftest import Bench, MakeWorker, Settled
from tests.support.galleries import expire_leases
from tests.support.objects import ct_dataset

Loaded = tuple[Embedder, ActiveEncoder]


def attempts(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT attempts FROM embedding_job")))


def test_a_file_that_comes_back_is_embedded_in_the_end(
    bench: Bench, make_worker: MakeWorker, store: ObjectStore, engine: Engine
) -> None:
    (uid,) = bench.add(ct_dataset())
    (name,) = store.names()
    elsewhere = store.path(name).rename(store.path(name).with_suffix(".away"))
    # However often the disk fails, the object is not given up.
    for _ in range(queue.MAXIMUM_ATTEMPTS + 2):
        make_worker().run(once=True)
        assert bench.settled()[uid].state == "pending"
        expire_leases(engine)
    assert attempts(engine) == [0]
    elsewhere.rename(store.path(name))
    make_worker().run(once=True)
    assert bench.settled()[uid] == Settled("embedded", None, 1, [])


def test_what_is_put_off_waits_for_its_lease(
    bench: Bench, make_worker: MakeWorker, store: ObjectStore, engine: Engine
) -> None:
    gone, _ = bench.add(ct_dataset(seed=1), ct_dataset(seed=2))
    with engine.connect() as connection:
        name = connection.execute(
            text("SELECT file_name FROM instance WHERE sop_instance_uid = :uid"), {"uid": gone}
        ).scalar_one()
    store.remove(name)
    worker = make_worker()
    assert worker.run_batch() == 1
    # Not tried again at once, which would keep a worker busy with nothing.
    assert worker.run_batch() == 0
    assert bench.waiting() == 1


@pytest.mark.parametrize("blame", ["perhaps machine", "object"])
def test_a_decoder_that_crashes_condemns_only_who_was_tried_alone(
    bench: Bench, loaded: Loaded, engine: Engine, blame: str
) -> None:
    bench.add(ct_dataset())
    tries = 0
    while bench.waiting():
        with BatchLease(engine, queue, 3600) as lease:
            (job,) = lease.claim(1)
            refusal = Refusal("failed", "the decoder crashed on it", blame)  # type: ignore[arg-type]
            write_outcomes(engine, loaded[1], lease.owner, [Outcome(job, refusal=refusal)])
        expire_leases(engine)
        tries += 1
    assert tries == (queue.SUSPECT_ATTEMPTS + 1 if blame == "perhaps machine" else 1)
    (settled,) = bench.settled().values()
    assert settled == Settled("failed", "the decoder crashed on it", 0, [])


def test_a_lost_lease_puts_nothing_off(bench: Bench, loaded: Loaded, engine: Engine) -> None:
    (uid,) = bench.add(ct_dataset())
    refusal = Refusal("failed", "the disk does not answer", "disk")
    with BatchLease(engine, queue, 3600) as slow:
        (job,) = slow.claim(1)
        expire_leases(engine)
        with BatchLease(engine, queue, 3600) as heir:
            heir.claim(1)
            write_outcomes(engine, loaded[1], slow.owner, [Outcome(job, refusal=refusal)])
            with engine.connect() as connection:
                owner = connection.execute(text("SELECT lease_owner FROM embedding_job")).scalar()
            assert owner == heir.owner
    assert bench.settled()[uid].reason is None


def test_a_suspect_gets_its_turn_under_a_steady_stream(
    bench: Bench, make_worker: MakeWorker, engine: Engine
) -> None:
    (suspect,) = bench.add(ct_dataset(seed=0))
    with engine.begin() as connection:
        connection.execute(text("UPDATE embedding_job SET attempts = 2"))
    bench.add(*(ct_dataset(seed=n) for n in range(1, 12)))
    worker = make_worker(batch_size=1)
    for _ in range(8):
        worker.run_batch()
    assert bench.settled()[suspect].state == "embedded"
    assert bench.waiting() == 4
