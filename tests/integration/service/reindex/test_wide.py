"""A change to an encoder whose coordinates no index takes whole, and back again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.encoders.activation import activate
from service.encoders.files import store_weights
from service.encoders.registry import register
from service.encoders.retiring import retire
from service.export import export_gallery
from service.reindex.finishing import finish
from service.reindex.jobs import ChunkJobs
from service.reindex.writing import write_followed
from service.search.similar import Query, similar
from service.settings import Settings
from service.verifying.indexes import find_index_faults
from service.verifying.rebuilding import rebuild
from service.verifying.recall import measure_recall
from service.verifying.rows import find_row_faults
from tests.integration.service.reindex.filling import Filling
from tests.support.encoders import DIMENSION, EMBEDDING_DIMENSION, made_encoder


@pytest.fixture
def wide(filling: Filling, tmp_path: Path) -> Filling:
    """All 4,096 numbers are coordinates of the other encoder; the first's slices, turned."""
    weights = tmp_path / "wide.safetensors"
    weights.write_bytes(b"wide")
    random = np.random.default_rng(6)
    turn, _ = np.linalg.qr(random.normal(size=(EMBEDDING_DIMENSION, DIMENSION)))
    identity = np.eye(EMBEDDING_DIMENSION, dtype=np.float32)
    with filling.engine.begin() as connection:
        filling.other = register(connection, replace(made_encoder(3), basis=identity))
        store_weights(connection, filling.other.encoder_id, weights)
    filling.jobs = ChunkJobs(filling.other)
    filling.made = [
        replace(one, coordinates=(one.coordinates @ turn.T).astype(np.float32))
        for one in filling.made
        if one.coordinates is not None
    ]
    return filling


def neighbours(filling: Filling) -> list[tuple[str, float]]:
    with filling.engine.connect() as connection:
        answer = similar(connection, Query(filling.made[0].sop_instance_uid, k=5))
    return [(one.sop_instance_uid, one.distance) for one in answer.neighbours]


def test_a_wide_encoder_is_filled_checked_switched_to_and_retired(
    wide: Filling, settings: Settings, tmp_path: Path
) -> None:
    before = neighbours(wide)
    wide.begin(batch_size=30)
    while (claimed := wide.claim(count=30))[1]:
        owner, jobs = claimed
        write_followed(wide.engine, wide.other, owner, wide.outcomes(jobs))
    gate = finish(wide.engine, settings)
    assert gate is not None
    assert gate.passed, gate.faults

    activate(wide.engine, wide.other.name)
    after = neighbours(wide)
    assert [uid for uid, _ in after] == [uid for uid, _ in before]
    assert [d for _, d in after] == pytest.approx([d for _, d in before], abs=2e-5)

    rebuild(wide.engine, settings)
    assert find_row_faults(wide.engine, wide.other) == []
    with wide.engine.connect() as connection:
        assert find_index_faults(connection, wide.other) == []
        recall = measure_recall(connection, wide.other, 20)
    assert recall is not None
    assert recall.mean == 1.0
    export_gallery(wide.engine, tmp_path / "gallery.npz")
    with np.load(tmp_path / "gallery.npz", allow_pickle=False) as archive:
        found = dict(zip(archive["sop_instance_uid"], archive["embedding"], strict=True))
    for one in wide.made:
        assert one.coordinates is not None
        assert np.array_equal(found[one.sop_instance_uid], one.coordinates[0])

    activate(wide.engine, wide.first.name)
    assert neighbours(wide) == before
    assert retire(wide.engine, wide.other.name).state == "retired"
