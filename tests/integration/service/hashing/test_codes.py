"""Codes are what their planes say, and keep up with the embeddings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, text

from model.checkpoint import load, save
from model.hashing import HASH_BIAS, HASH_WEIGHT, binary_codes
from service.deletion.deleting import Cause, delete_subject
from service.encoders.registry import ActiveEncoder, register
from service.encoders.retiring import retire
from service.errors import InvalidParameter, NotSearchable
from service.hashing.filling import drop_active_codes, make_codes
from service.hashing.planes import Planes, codes, fit_planes
from service.hashing.tables import CodeTable, code_state, create_codes, drop_codes
from service.search.similar import Query, similar
from service.settings import EncoderSettings, Settings
from tests.integration.service.hashing.conftest import MADE
from tests.support.encoders import DIMENSION, made_encoder, tiny_checkpoint
from tests.support.galleries import MadeInstance, clustered_instances, fill

RANDOM = np.random.default_rng(3)
COMMAND = Cause("command", "operator")


def stored(connection: Connection, encoder: ActiveEncoder) -> dict[str, str]:
    """Codes as zeros and ones, by UID."""
    table = CodeTable(encoder.encoder_id)
    rows = connection.execute(
        text(
            f"SELECT sop_instance_uid, CAST(code AS text) AS code FROM {table.codes} JOIN instance"
            " USING (instance_id)"
        )
    )
    return {row.sop_instance_uid: row.code for row in rows}


def said(planes: Planes, made: MadeInstance) -> str:
    assert made.coordinates is not None
    bits = np.unpackbits(codes(made.coordinates[:1], planes)[0])
    return "".join(map(str, bits))


def test_codes_are_the_sides_of_their_planes(engine: Engine, encoder: ActiveEncoder) -> None:
    fill(engine, MADE[:40], encoder)
    weight = RANDOM.normal(size=(64, DIMENSION)).astype(np.float32)
    planes = Planes(weight, RANDOM.normal(size=64).astype(np.float32) / 8, "a test")
    with engine.begin() as connection:
        create_codes(connection, CodeTable(encoder.encoder_id), planes)
    fill_more(engine, encoder)
    with engine.connect() as connection:
        found = stored(connection, encoder)
    late = MORE[0]
    assert found == {late.sop_instance_uid: said(planes, late)}


MORE = [
    MadeInstance("9.1", patient=90, coordinates=MADE[3].coordinates),
]


def fill_more(engine: Engine, encoder: ActiveEncoder) -> None:
    fill(engine, MORE, encoder)


def test_codes_keep_up_with_the_embeddings(engine: Engine, coded: ActiveEncoder) -> None:
    fill_more(engine, coded)
    with engine.connect() as connection:
        codes_now = stored(connection, coded)
        assert codes_now["9.1"] == codes_now[MADE[3].sop_instance_uid]
    with engine.begin() as connection:
        connection.execute(
            text(
                f"UPDATE {coded.partition} e SET coordinates = o.coordinates FROM"
                f" {coded.partition} o JOIN instance i USING (instance_id)"
                " WHERE i.sop_instance_uid = :other AND e.instance_id ="
                " (SELECT instance_id FROM instance WHERE sop_instance_uid = '9.1')"
            ),
            {"other": MADE[40].sop_instance_uid},
        )
    with engine.connect() as connection:
        codes_now = stored(connection, coded)
        assert codes_now["9.1"] == codes_now[MADE[40].sop_instance_uid]
    assert delete_subject(engine, "study", MADE[0].study_instance_uid, COMMAND) == 6
    with engine.connect() as connection:
        left = stored(connection, coded)
        assert left.keys() == {made.sop_instance_uid for made in [*MADE[6:], *MORE]}
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM embedding"))
        assert stored(connection, coded) == {}


def test_a_broken_off_filling_is_gone_on_with(
    engine: Engine, coded: ActiveEncoder, settings: Settings
) -> None:
    table = CodeTable(coded.encoder_id)
    with engine.begin() as connection:
        before = stored(connection, coded)
        connection.execute(text(f"DROP INDEX {table.index}"))
        connection.execute(text(f"DELETE FROM {table.codes} WHERE instance_id % 3 = 0"))
        state = code_state(connection, coded.encoder_id)
        assert state is not None
        assert not state.is_ready
    assert make_codes(engine, settings, 64).is_ready
    with engine.connect() as connection:
        assert stored(connection, coded) == before


def test_other_lengths_replace_and_dropping_leaves_nothing(
    engine: Engine, coded: ActiveEncoder, settings: Settings
) -> None:
    assert make_codes(engine, settings, 128).bits == 128
    drop_active_codes(engine)
    with engine.connect() as connection:
        assert code_state(connection, coded.encoder_id) is None
        with pytest.raises(NotSearchable, match="index hash --bits"):
            similar(connection, Query(MADE[0].sop_instance_uid, by_codes=True))
        left = connection.scalars(
            text(
                "SELECT relname FROM pg_class WHERE relname LIKE '%\\_code%' OR relname LIKE"
                " '%\\_plane%' UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE '%\\_code%'"
                " AND pronamespace = 'public'::regnamespace"
            )
        ).all()
        assert left == []
    # The gallery goes on without: no trigger is left that would miss its tables.
    fill_more(engine, coded)


def test_a_partition_that_is_gone_leaves_nothing_that_cannot_be_dropped(
    engine: Engine, coded: ActiveEncoder
) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {coded.partition}"))
        drop_codes(connection, coded.encoder_id)
        assert code_state(connection, coded.encoder_id) is None


def test_there_must_be_something_to_fit_to(
    engine: Engine, encoder: ActiveEncoder, settings: Settings
) -> None:
    with pytest.raises(InvalidParameter, match="empty"):
        make_codes(engine, settings, 64)
    with pytest.raises(InvalidParameter, match="64, 128, 256"):
        make_codes(engine, settings, 100)


@pytest.mark.parametrize("bits", [64, 128, 256])
def test_fitted_planes_balance_their_bits(bits: int) -> None:
    coordinates = np.concatenate(
        [made.coordinates for made in MADE if made.coordinates is not None]
    )
    planes = fit_planes(coordinates, bits)
    shares = np.unpackbits(codes(coordinates, planes), axis=1).mean(axis=0)
    assert planes.weight.shape == (bits, DIMENSION)
    assert np.abs(shares - 0.5).max() < 0.1


def test_the_encoder_s_own_head_may_make_the_codes(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    plain = load(tiny_checkpoint(tmp_path))
    head = {
        HASH_WEIGHT: RANDOM.normal(size=(64, 29)).astype(np.float32),
        HASH_BIAS: np.zeros(64, np.float32),
    }
    path = save(tmp_path, dict(plain.weights) | head, plain.info)
    loaded = load(path)
    description = replace(made_encoder(dimension=29), digest=loaded.digest, name=path.stem)
    with engine.begin() as connection:
        encoder = register(connection, description)
    made = clustered_instances(4, 3, dimension=29)
    fill(engine, made, encoder)
    ours = settings.model_copy(update={"encoder": EncoderSettings(checkpoint=path)})
    assert make_codes(engine, ours, 64, learnt=True).origin.startswith("learnt")
    with engine.connect() as connection:
        found = stored(connection, encoder)
    coordinates = np.concatenate([one.coordinates for one in made if one.coordinates is not None])
    bits = np.unpackbits(binary_codes(coordinates, loaded), axis=1)
    assert [found[one.sop_instance_uid] for one in made] == ["".join(map(str, b)) for b in bits]
    with pytest.raises(InvalidParameter, match="no hash head of 128 bits"):
        make_codes(engine, ours, 128, learnt=True)
    # The other kind of codes replaces these.
    assert make_codes(engine, ours, 64).origin == "fitted to the gallery"


def test_an_encoder_retires_with_its_codes(
    engine: Engine, coded: ActiveEncoder, settings: Settings
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE encoder SET state = 'held'"))
    retire(engine, coded.name)
    with engine.connect() as connection:
        left = connection.scalars(
            text("SELECT relname FROM pg_class WHERE relname LIKE 'embedding\\_encoder\\_%'")
        )
        assert left.all() == []
