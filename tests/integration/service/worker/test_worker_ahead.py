"""The worker claims and decodes one batch ahead, and owns up to it whatever happens."""

from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy import Engine, text

from dicom_node.files import ObjectStore
from model.embedder import Embedder
from service import queue
from service.decoding import DecodePool
from service.encoders.registry import ActiveEncoder
from service.feed import Feed
from service.settings import WorkerSettings
from tests.integration.service.worker.conftest import Bench, MakeWorker
from tests.support.embedders import Batch
from tests.support.objects import ct_dataset
from tests.support.waiting import eventually

Loaded = tuple[Embedder, ActiveEncoder]


def claimed(engine: Engine) -> list[tuple[bool, int]]:
    """Whether each job is leased, and how often it was tried."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT lease_owner IS NOT NULL, attempts FROM embedding_job ORDER BY instance_id")
        )
        return [(bool(leased), int(attempts)) for leased, attempts in rows]


def await_claims(engine: Engine, count: int) -> None:
    eventually(
        lambda: sum(leased for leased, _ in claimed(engine)) == count, f"{count} jobs are claimed"
    )


def test_the_next_batch_is_claimed_while_one_is_embedded(
    bench: Bench, make_worker: MakeWorker, engine: Engine
) -> None:
    bench.add(*(ct_dataset(seed=n) for n in range(6)))
    seen: list[list[tuple[bool, int]]] = []

    def look(_batch: Batch) -> None:
        if not seen:
            await_claims(engine, 4)
            seen.append(claimed(engine))

    make_worker(look, batch_size=2).run(once=True)
    assert seen == [[(True, 1)] * 4 + [(False, 0)] * 2]
    assert bench.states() == ["embedded"] * 6


def test_what_was_claimed_ahead_is_given_back_untried(
    bench: Bench, make_worker: MakeWorker, engine: Engine
) -> None:
    bench.add(*(ct_dataset(seed=n) for n in range(6)))

    def stop(_batch: Batch) -> None:
        await_claims(engine, 4)
        worker.stop()

    worker = make_worker(stop, batch_size=2)
    worker.run()
    assert bench.states() == ["embedded"] * 2 + ["pending"] * 4
    assert claimed(engine) == [(False, 0)] * 4


def test_an_error_of_the_encoder_gives_back_what_was_ahead(
    bench: Bench, make_worker: MakeWorker, engine: Engine
) -> None:
    bench.add(*(ct_dataset(seed=n) for n in range(4)))

    def fail(_batch: Batch) -> None:
        await_claims(engine, 4)
        raise RuntimeError("the encoder broke")

    with pytest.raises(RuntimeError, match="broke"):
        make_worker(fail, batch_size=2).run()
    # What broke it keeps its lease, which runs out, and its attempt counts.
    assert claimed(engine) == [(True, 1)] * 2 + [(False, 0)] * 2


def test_an_error_of_the_encoder_ends_a_decoding_that_waits_for_room(
    bench: Bench, make_worker: MakeWorker
) -> None:
    frames = np.random.default_rng(1).integers(0, 2000, (600, 16, 16)).astype(np.int16)
    bench.add(ct_dataset(pixels=frames[0], NumberOfFrames=600, PixelData=frames.tobytes()))

    def fail(_batch: Batch) -> None:
        raise RuntimeError("the encoder broke")

    with pytest.raises(RuntimeError, match="broke"):
        make_worker(fail).run()


@pytest.fixture
def feed(loaded: Loaded, store: ObjectStore, engine: Engine) -> Iterator[Feed]:
    pool = DecodePool(1, timeout_s=60, memory_mb=4096)
    settings = WorkerSettings(decode_processes=1, lease_s=3600)
    yield Feed(engine, queue, store, pool, loaded[0].preprocess_config, settings)
    pool.close()


def test_a_suspect_is_not_claimed_beside_another_batch(
    bench: Bench, feed: Feed, engine: Engine
) -> None:
    bench.add(ct_dataset())
    tries = queue.SUSPECT_ATTEMPTS
    with engine.begin() as connection:
        connection.execute(text("UPDATE embedding_job SET attempts = :n"), {"n": tries})

    assert feed.take(feed.begin(beside=True)) is None
    assert claimed(engine) == [(False, tries)]
    batch = feed.take(feed.begin())
    feed.close()
    assert batch is not None
    assert batch.is_suspect
    assert claimed(engine) == [(True, tries + 1)]
    with batch.lease:
        assert len(batch.frames.take(1)) == 1


def test_a_feed_that_is_closed_at_once_keeps_nothing(
    bench: Bench, feed: Feed, engine: Engine
) -> None:
    bench.add(*(ct_dataset(seed=n) for n in range(3)))
    upcoming = feed.begin()
    feed.close()
    assert upcoming.done()
    assert claimed(engine) == [(False, 0)] * 3
