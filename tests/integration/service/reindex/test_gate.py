"""The gate and what comes after it: a valid index, a judgement, a switch that may be forced."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from service import queue
from service.decoding import Refusal
from service.encoders.activation import activate
from service.encoders.partitions import create_index, index_state
from service.encoders.registry import ActiveEncoder, get_active
from service.errors import EncoderChanged, EncoderStateConflict
from service.outcomes import Outcome, write_outcomes
from service.reindex.building import sole_builder
from service.reindex.finishing import finish
from service.reindex.gate import Gate
from service.reindex.writing import write_followed
from service.settings import Settings
from tests.integration.service.reindex.filling import Filling
from tests.support.encoders import unit
from tests.support.galleries import MadeInstance, fill, write_embeddings


def fill_other(filling: Filling, made: list[MadeInstance]) -> None:
    """Plan, and write these as what the other encoder found; labels as they are made."""
    filling.begin(batch_size=30)
    with filling.engine.begin() as connection:
        write_embeddings(connection, filling.other, made, filling.ids)
    while filling.claim(count=30)[1]:
        pass


def finished(filling: Filling, settings: Settings) -> Gate:
    gate = finish(filling.engine, settings)
    assert gate is not None
    return gate


def state_of(filling: Filling) -> str:
    values = {"id": filling.other.encoder_id}
    ((state,),) = filling.rows("SELECT state FROM encoder WHERE encoder_id = :id", **values)
    return str(state)


def test_an_encoder_as_good_as_the_active_one_passes(filling: Filling, settings: Settings) -> None:
    fill_other(filling, filling.made)
    gate = finished(filling, settings)
    assert gate.passed, gate.faults
    assert gate.coverage.covered == 30
    assert gate.ranking is not None
    assert gate.ranking.active == pytest.approx(gate.ranking.filled)
    assert gate.ranking.active > 0.8, "the made-up labels lie apart"
    assert gate.recall is not None
    assert gate.recall.recall == 1.0
    assert state_of(filling) == "ready"
    assert finish(filling.engine, settings) is None, "nothing is left to finish"


def test_an_encoder_that_ranks_worse_is_held(filling: Filling, settings: Settings) -> None:
    noise = np.random.default_rng(1).normal(size=(30, 1, filling.other.dimension))
    made = [replace(m, coordinates=c) for m, c in zip(filling.made, unit(noise), strict=True)]
    fill_other(filling, made)
    gate = finished(filling, settings)
    assert [fault.split(" on ")[0] for fault in gate.faults] == ["its mAP"]
    assert state_of(filling) == "held"
    with pytest.raises(EncoderStateConflict, match="encoder show"):
        activate(filling.engine, filling.other.name)
    activate(filling.engine, filling.other.name, force=True)
    assert state_of(filling) == "active"


def test_a_slice_that_is_missing_without_a_reason_is_found(
    filling: Filling, settings: Settings
) -> None:
    fill_other(filling, filling.made)
    with filling.engine.begin() as connection:
        some = {"id": min(filling.ids.values())}
        lost = f"DELETE FROM {filling.other.partition} WHERE instance_id = :id"
        connection.execute(text(lost), some)
    gate = finished(filling, settings)
    assert (gate.coverage.missing, gate.coverage.covered) == (1, 29)
    assert not gate.passed
    assert state_of(filling) == "held"


def test_failures_are_counted_and_named(filling: Filling, settings: Settings) -> None:
    filling.begin(batch_size=30)
    owner, jobs = filling.claim(count=30)
    outcomes = filling.outcomes(jobs)
    outcomes[0] = Outcome(jobs[0], refusal=Refusal("failed", "no picture"))
    write_followed(filling.engine, filling.other, owner, outcomes)
    gate = finished(filling, settings)
    assert gate.coverage.reasons == {"no picture": 1}
    assert gate.faults == ("1 of 30 instances cannot be embedded",)
    done = activate(filling.engine, filling.other.name, force=True)
    assert done.failed == 1
    state = "SELECT state, reason FROM instance WHERE instance_id = :id"
    assert filling.rows(state, id=jobs[0].instance_id) == [("failed", "no picture")]
    back = activate(filling.engine, filling.first.name)
    assert back.recovered == 1
    assert filling.rows(state, id=jobs[0].instance_id) == [("embedded", None)]


def test_an_index_that_broke_off_is_built_again(filling: Filling, settings: Settings) -> None:
    fill_other(filling, filling.made)
    other = filling.other
    with sole_builder(filling.engine) as connection:
        assert connection is not None
        # A transaction that began before keeps a concurrent build waiting, until it gives up.
        with filling.engine.begin() as reader:
            reader.exec_driver_sql(f"LOCK TABLE {other.partition} IN ROW EXCLUSIVE MODE")
            connection.exec_driver_sql("SET lock_timeout = '100ms'")
            with pytest.raises(OperationalError):
                create_index(connection, other.encoder_id, other.dimension, concurrently=True)
        assert index_state(connection, other.encoder_id) == "invalid"
    assert finished(filling, settings).passed
    with filling.engine.connect() as connection:
        assert index_state(connection, other.encoder_id) == "valid"


def test_one_process_finishes_at_a_time(filling: Filling, settings: Settings) -> None:
    fill_other(filling, filling.made)
    with sole_builder(filling.engine) as connection:
        assert connection is not None
        with sole_builder(filling.engine) as second:
            assert second is None
        assert finish(filling.engine, settings) is None
    assert finished(filling, settings).passed


def test_nothing_is_finished_before_it_is_filled(filling: Filling, settings: Settings) -> None:
    filling.begin()
    assert finish(filling.engine, settings) is None
    with pytest.raises(EncoderStateConflict, match="index"):
        activate(filling.engine, filling.other.name, force=True)


def test_a_batch_of_the_encoder_before_is_not_settled(filling: Filling, settings: Settings) -> None:
    """A worker that missed an activation must not call an instance embedded that is not."""
    fill_other(filling, filling.made)
    finish(filling.engine, settings)
    late = MadeInstance("1.2.826.9.late", patient=99, state="pending")
    ids = fill(filling.engine, [late])
    owner = filling.claim()[0]
    with filling.engine.begin() as connection:
        (job,) = queue.claim(connection, owner, 5, 3600)
    activate(filling.engine, filling.other.name)
    found = unit(np.ones((1, filling.first.dimension)))
    outcome = Outcome(job, coordinates=[found], planes=[None])
    with pytest.raises(EncoderChanged):
        write_outcomes(filling.engine, filling.first, owner, [outcome])
    state = "SELECT state FROM instance WHERE instance_id = :id"
    assert filling.rows(state, id=ids[late.sop_instance_uid]) == [("pending",)]
    assert filling.rows("SELECT count(*) FROM embedding_job") == [(1,)]
    assert write_outcomes(filling.engine, filling.other, owner, [outcome]) == {job.instance_id}


def test_weights_reach_a_machine_that_lacks_them(
    engine: Engine, encoder: ActiveEncoder, tmp_path: Path
) -> None:
    from service.encoders.files import checkpoint_of, store_weights

    weights = tmp_path / f"{encoder.name}.safetensors"
    weights.write_bytes(b"\0" * 100_000)
    with engine.begin() as connection:
        store_weights(connection, encoder.encoder_id, weights)
        store_weights(connection, encoder.encoder_id, weights)
        kept = checkpoint_of(connection, tmp_path / "elsewhere", get_active(connection))
    assert kept.read_bytes() == weights.read_bytes()
    assert [f.name for f in kept.parent.iterdir()] == [weights.name]
