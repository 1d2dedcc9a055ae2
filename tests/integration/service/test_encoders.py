from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import psycopg2
import pytest
from sqlalchemy import Engine, text

from service.encoders.files import (
    choose_checkpoint,
    configured_checkpoint,
    keep_checkpoint,
    kept_checkpoint,
)
from service.encoders.registry import ActiveEncoder, find_active, get_active, load_basis, register
from service.errors import EncoderMismatch, Unavailable
from service.settings import EncoderSettings
from tests.support.encoders import EMBEDDING_DIMENSION, made_encoder, unit
from tests.support.galleries import MadeInstance, fill


def test_the_first_encoder_is_active_and_later_ones_wait(engine: Engine) -> None:
    with engine.begin() as connection:
        assert find_active(connection) is None
        with pytest.raises(Unavailable):
            get_active(connection)
        first = register(connection, made_encoder(1))
        second = register(connection, made_encoder(2))
        again = register(connection, made_encoder(1))
        assert get_active(connection) == first == again
    assert first.partition != second.partition
    assert (first.name, first.dimension) == ("made-1", 24)


def test_the_basis_comes_back_as_it_was(engine: Engine) -> None:
    description = made_encoder()
    with engine.begin() as connection:
        encoder = register(connection, description)
        basis = load_basis(connection, encoder.encoder_id)
    assert basis.shape == (EMBEDDING_DIMENSION, 24)
    np.testing.assert_array_equal(basis, description.basis)


def test_a_basis_of_any_memory_layout_is_kept_right(engine: Engine) -> None:
    description = made_encoder()
    turned = replace(description, basis=np.asfortranarray(description.basis))
    with engine.begin() as connection:
        encoder = register(connection, turned)
        basis = load_basis(connection, encoder.encoder_id)
    np.testing.assert_array_equal(basis, description.basis)


def test_workers_that_start_at_once_agree_on_one_encoder(engine: Engine) -> None:
    barrier = Barrier(4)

    def start(_number: int) -> ActiveEncoder:
        barrier.wait()
        with engine.begin() as connection:
            return register(connection, made_encoder())

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(start, range(4)))) == 1
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM encoder")).scalar_one() == 1


def test_coordinates_lie_inline_under_an_index(engine: Engine, encoder: ActiveEncoder) -> None:
    with engine.connect() as connection:
        storage = connection.execute(
            text(
                "SELECT attstorage FROM pg_attribute"
                " WHERE attrelid = CAST(:name AS regclass) AND attname = 'coordinates'"
            ),
            {"name": encoder.partition},
        ).scalar_one()
        index = connection.execute(
            text("SELECT indexdef FROM pg_indexes WHERE indexname = :name"),
            {"name": f"{encoder.partition}_hnsw_idx"},
        ).scalar_one()
    assert storage in ("p", b"p")
    assert "USING hnsw" in index
    assert "m='24', ef_construction='600'" in index


def test_coordinates_of_another_length_are_refused(engine: Engine, encoder: ActiveEncoder) -> None:
    wrong = MadeInstance("1.2", coordinates=unit(np.ones((1, encoder.dimension + 1))))
    with pytest.raises(psycopg2.DatabaseError, match="dimension"):
        fill(engine, [wrong], encoder)


@pytest.mark.parametrize("dimension", [2000, 2001])
def test_any_number_of_coordinates_is_taken(engine: Engine, dimension: int) -> None:
    wide = replace(made_encoder(), basis=np.eye(EMBEDDING_DIMENSION, dimension, dtype=np.float32))
    with engine.begin() as connection:
        encoder = register(connection, wide)
        assert np.array_equal(load_basis(connection, encoder.encoder_id), wide.basis)
    rows = unit(np.random.default_rng(1).normal(size=(3, dimension)))
    fill(engine, [MadeInstance(f"1.{n}", coordinates=r[None]) for n, r in enumerate(rows)], encoder)


def weights(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.safetensors"
    file.write_bytes(name.encode())
    return file


def test_a_new_gallery_takes_the_configured_weights(engine: Engine, tmp_path: Path) -> None:
    configured = weights(tmp_path, "newer")
    with engine.connect() as connection:
        assert choose_checkpoint(connection, tmp_path / "state", configured) == configured


@pytest.mark.parametrize("name", ["default", "dev"])
def test_a_shipped_encoder_is_found_by_its_name(name: str) -> None:
    settings = EncoderSettings.model_validate({"checkpoint": name})
    path = configured_checkpoint(settings)
    assert path.parent.name == name
    assert path.is_file()


def test_any_other_name_is_a_file() -> None:
    file = Path("weights") / "msnet-0123456789ab.safetensors"
    assert configured_checkpoint(EncoderSettings.model_validate({"checkpoint": str(file)})) == file
    assert EncoderSettings().checkpoint == "default"


def test_a_gallery_keeps_the_weights_it_was_embedded_with(
    engine: Engine, encoder: ActiveEncoder, tmp_path: Path
) -> None:
    state_dir, used = tmp_path / "state", weights(tmp_path, encoder.name)
    keep_checkpoint(state_dir, used)
    kept = kept_checkpoint(state_dir, encoder.name)
    assert kept.read_bytes() == used.read_bytes()
    assert [f.name for f in kept.parent.iterdir()] == [kept.name]
    with engine.connect() as connection:
        assert choose_checkpoint(connection, state_dir, used) == used
        # A newer program brings other weights: the gallery's own go on being used.
        newer = weights(tmp_path, "newer")
        assert choose_checkpoint(connection, state_dir, newer) == kept
        kept.unlink()
        with pytest.raises(EncoderMismatch, match=encoder.name):
            choose_checkpoint(connection, state_dir, newer)
