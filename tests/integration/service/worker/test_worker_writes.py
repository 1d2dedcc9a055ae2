"""The worker writes one batch while it embeds the next, and a failed write costs only its batch."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from service import queue
from service.labels.record import LabelRecord
from service.labels.writing import record_labels
from tests.integration.service.worker.conftest import Bench, MakeWorker, run_until_drained
from tests.support.objects import ct_dataset
from tests.support.waiting import eventually


@contextmanager
def labels_being_imported(engine: Engine) -> Iterator[None]:
    """No embedding can be written meanwhile."""
    with engine.connect() as importing:
        record_labels(importing, [LabelRecord("1.2.3", None, "glioma", "board")])
        yield
        importing.rollback()


def test_a_batch_is_embedded_while_the_one_before_is_written(
    bench: Bench, make_worker: MakeWorker, engine: Engine
) -> None:
    bench.add(*(ct_dataset(seed=n) for n in range(4)))
    seen: list[int] = []
    worker = make_worker(lambda batch: seen.append(len(batch)), batch_size=2)
    with ThreadPoolExecutor(1) as thread:
        with labels_being_imported(engine):
            working = thread.submit(worker.run, once=True)
            eventually(lambda: sum(seen) == 4, "both batches are embedded")
            assert bench.states() == ["pending"] * 4
        working.result()
    assert bench.states() == ["embedded"] * 4


def fail_writes(engine: Engine, first: int, last: int) -> None:
    """The disk of the database is full from the `first` row that is written to the `last`."""
    with engine.begin() as connection:
        # A sequence counts on, whatever is rolled back.
        connection.exec_driver_sql(
            f"""
            CREATE SEQUENCE tries;
            CREATE FUNCTION fill_disk() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE row_number bigint := nextval('tries');
            BEGIN
                IF row_number BETWEEN {first} AND {last} THEN
                    RAISE 'could not extend file' USING ERRCODE = 'disk_full';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER fill_disk BEFORE INSERT ON embedding
                FOR EACH ROW EXECUTE FUNCTION fill_disk()
            """
        )


def set_attempts(engine: Engine, attempts: int) -> None:
    """As if every waiting job had been tried so often."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE embedding_job SET attempts = :n"), {"n": attempts})


def jobs(engine: Engine) -> list[tuple[bool, int]]:
    """Whether each job that is left is leased, and how often it was tried."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT lease_owner IS NOT NULL, attempts FROM embedding_job ORDER BY instance_id")
        )
        return [(bool(leased), int(attempts)) for leased, attempts in rows]


def test_a_full_disk_of_the_database_is_waited_for_and_blames_no_object(
    bench: Bench, make_worker: MakeWorker, engine: Engine
) -> None:
    bench.add(ct_dataset())
    # One more attempt that counted would be the last.
    set_attempts(engine, queue.MAXIMUM_ATTEMPTS - 1)
    fail_writes(engine, 1, 2)
    run_until_drained(bench, make_worker)
    assert bench.states() == ["embedded"]


def test_a_failed_write_does_not_cost_the_next_batch_its_embeddings(
    bench: Bench, make_worker: MakeWorker, engine: Engine
) -> None:
    bench.add(ct_dataset(seed=1), ct_dataset(seed=2))
    fail_writes(engine, 1, 1)
    seen: list[int] = []
    run_until_drained(
        bench, make_worker, before=lambda batch: seen.append(len(batch)), batch_size=1
    )
    assert bench.states() == ["embedded"] * 2
    assert sum(seen) == 3, "only the first was embedded again"


def test_what_could_not_be_written_at_the_end_is_left_to_others(
    bench: Bench, make_worker: MakeWorker, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    bench.add(ct_dataset())
    fail_writes(engine, 1, 1)
    caplog.set_level(logging.WARNING, "precuneus.worker")
    worker = make_worker(lambda _batch: worker.stop())
    worker.run()
    assert "the last batch was not written and is left to others" in caplog.messages
    assert jobs(engine) == [(False, 0)]


@pytest.mark.parametrize(
    ("failing_row", "embedded", "left"),
    [
        pytest.param(7, 7, 2, id="the batch before it is written first"),
        pytest.param(8, 7 + 300, 1, id="it is written before the batch after it"),
    ],
)
def test_a_suspect_has_no_other_batch_beside_it(
    bench: Bench,
    make_worker: MakeWorker,
    engine: Engine,
    failing_row: int,
    embedded: int,
    left: int,
) -> None:
    # More frames than are decoded ahead: whoever does not want them has to say so.
    frames = np.random.default_rng(1).integers(0, 2000, (300, 16, 16)).astype(np.int16)
    bench.add(ct_dataset(pixels=frames[0], NumberOfFrames=300, PixelData=frames.tobytes()))
    set_attempts(engine, queue.SUSPECT_ATTEMPTS)
    # The eighth batch is the suspect's turn, while the seventh is being written.
    bench.add(*(ct_dataset(seed=n) for n in range(8)))
    fail_writes(engine, failing_row, failing_row)
    seen: list[int] = []
    worker = make_worker(lambda batch: seen.append(len(batch)), batch_size=1)
    # The failed write ends it: what had not begun by then never does.
    with pytest.raises(SQLAlchemyError):
        worker.run(once=True)
    assert sum(seen) == embedded
    assert jobs(engine) == [(False, queue.SUSPECT_ATTEMPTS)] + [(False, 0)] * left


def test_a_suspect_that_was_settled_counts(
    bench: Bench, make_worker: MakeWorker, engine: Engine
) -> None:
    bench.add(ct_dataset())
    set_attempts(engine, queue.SUSPECT_ATTEMPTS)
    assert make_worker().run_batch() == 1
