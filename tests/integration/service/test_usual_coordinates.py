"""The mean of a gallery's slices: of which ones, and how often it is read."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Engine, delete

from service.db.tables import embedding
from service.encoders.registry import ActiveEncoder
from service.usual_coordinates import UsualCoordinates
from tests.support.encoders import DIMENSION, unit
from tests.support.galleries import MadeInstance, fill, write_embeddings


@pytest.fixture
def coordinates(engine: Engine, encoder: ActiveEncoder) -> NDArray[np.float32]:
    """Those of a gallery of 40 MR and 10 CT slices; on disk the last come first."""
    drawn = unit(np.random.default_rng(3).normal(size=(50, 1, DIMENSION)))
    made = [
        MadeInstance(f"1.2.{n}", patient=n, modality="MR" if n < 40 else "CT", coordinates=c)
        for n, c in enumerate(drawn)
    ]
    ids = fill(engine, made)
    # In the order of their keys, whatever keys they were given.
    made.sort(key=lambda one: ids[one.sop_instance_uid])
    with engine.begin() as connection:
        write_embeddings(connection, encoder, made[::-1], ids)
    return np.concatenate([one.coordinates for one in made if one.modality == "MR"])


def test_they_are_the_mean_of_a_modality(
    engine: Engine, encoder: ActiveEncoder, coordinates: NDArray[np.float32]
) -> None:
    usual = UsualCoordinates()
    with engine.connect() as connection:
        found = usual.read(connection, encoder.encoder_id, "MR")
        assert found is not None
        np.testing.assert_allclose(found, coordinates.mean(axis=0), atol=1e-6)
        assert usual.read(connection, encoder.encoder_id, "CT") is None
        assert usual.read(connection, encoder.encoder_id, "PT") is None


def test_of_many_slices_the_first_count(
    engine: Engine, encoder: ActiveEncoder, coordinates: NDArray[np.float32]
) -> None:
    with engine.connect() as connection:
        found = UsualCoordinates(slices=25).read(connection, encoder.encoder_id, "MR")
    assert found is not None
    np.testing.assert_allclose(found, coordinates[:25].mean(axis=0), atol=1e-6)


@pytest.mark.parametrize(("keep_s", "known"), [(600, True), (0, False)])
@pytest.mark.usefixtures("coordinates")
def test_they_are_read_once_in_a_while(
    engine: Engine, encoder: ActiveEncoder, keep_s: float, known: bool
) -> None:
    usual = UsualCoordinates(keep_s)
    with engine.connect() as connection:
        before = usual.read(connection, encoder.encoder_id, "MR")
        assert usual.read(connection, encoder.encoder_id, "CT") is None
        connection.execute(delete(embedding))
        after = usual.read(connection, encoder.encoder_id, "MR")
    assert before is not None
    assert (after is not None and np.array_equal(after, before)) is known
    assert known or after is None


@pytest.mark.usefixtures("coordinates")
def test_few_are_kept(engine: Engine, encoder: ActiveEncoder) -> None:
    usual = UsualCoordinates(kept=2)
    with engine.connect() as connection:
        for modality in ("MR", "CT", "PT"):
            usual.read(connection, encoder.encoder_id, modality)
        connection.execute(delete(embedding))
        assert usual.read(connection, encoder.encoder_id, "MR") is None
