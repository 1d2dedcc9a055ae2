"""Verifying while another encoder is activated: nothing is told, or mended, of the one before."""

import pytest
from sqlalchemy import text

from service.encoders.partitions import create_index, create_partition
from service.encoders.registry import ActiveEncoder, register
from service.errors import EncoderChanged
from service.verifying.repairing import repair
from service.verifying.verify import Extent, verify
from tests.integration.service.verifying.conftest import Sound
from tests.support.encoders import made_encoder

_COPY = """
    INSERT INTO embedding SELECT (jsonb_populate_record(
        e, jsonb_build_object('encoder_id', CAST(:other AS integer)))).* FROM embedding e"""


@pytest.fixture
def other(sound: Sound) -> ActiveEncoder:
    """An encoder that has all that the first one has."""
    with sound.engine.begin() as connection:
        found = register(connection, made_encoder(2))
        create_partition(connection, found.encoder_id, found.dimension)
        connection.execute(text(_COPY), {"other": found.encoder_id})
        create_index(connection, found.encoder_id, found.dimension)
    return found


def switch(sound: Sound, other: ActiveEncoder) -> None:
    """Let the other encoder answer, and have the first lag behind it."""
    sound.run("UPDATE encoder SET state = 'ready' WHERE state = 'active'")
    sound.run("UPDATE encoder SET state = 'active' WHERE encoder_id = :id", id=other.encoder_id)
    sound.run(f"DELETE FROM {sound.encoder.partition} WHERE instance_id % 2 = 0")


def test_it_says_so_instead_of_faults(sound: Sound, other: ActiveEncoder) -> None:
    def tell(step: str, done: int, _all: int) -> None:
        if (step, done) == ("rows", 1):
            switch(sound, other)

    with pytest.raises(EncoderChanged):
        verify(sound.engine, sound.store, sound.settings, Extent(), tell)
    assert sound.faults() == {}


def test_nothing_is_queued_that_the_new_encoder_has(sound: Sound, other: ActiveEncoder) -> None:
    switch(sound, other)
    with pytest.raises(EncoderChanged):
        repair(sound.engine, sound.encoder)
    with sound.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM embedding_job")) == 0
