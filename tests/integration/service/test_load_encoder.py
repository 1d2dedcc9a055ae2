"""What a worker loads at its start, and what it says of weights that it cannot use."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from model.errors import CheckpointError
from service.encoders.files import kept_checkpoint
from service.encoders.registry import find_active
from service.errors import EncoderMismatch
from service.processes.worker import load_encoder
from service.settings import EncoderSettings, Settings, WorkerSettings
from tests.support.encoders import tiny_checkpoint


def with_weights(settings: Settings, path: Path) -> Settings:
    return settings.model_copy(update={"encoder": EncoderSettings(checkpoint=path)})


def test_the_first_start_registers_the_encoder_and_keeps_its_weights(
    engine: Engine, settings: Settings, checkpoint_file: Path
) -> None:
    embedder, active = load_encoder(engine, with_weights(settings, checkpoint_file))

    with engine.connect() as connection:
        assert find_active(connection) == active
    assert (active.name, active.digest) == (embedder.name, embedder.digest)
    assert active.dimension == embedder.coordinate_dim
    kept = kept_checkpoint(settings.state_dir, active.name)
    assert kept.read_bytes() == checkpoint_file.read_bytes()


def test_the_precision_is_the_settings(
    engine: Engine, settings: Settings, checkpoint_file: Path
) -> None:
    worker = WorkerSettings(precision="bfloat16")
    chosen = with_weights(settings, checkpoint_file).model_copy(update={"worker": worker})

    embedder, _ = load_encoder(engine, chosen)

    assert {p.dtype.itemsize for p in embedder._network.scales.parameters()} == {2}


def test_a_configured_checkpoint_that_cannot_be_used_is_named(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    path = tiny_checkpoint(tmp_path)
    path.write_bytes(path.read_bytes()[:1000])

    with pytest.raises(CheckpointError, match=path.name):
        load_encoder(engine, with_weights(settings, path))


def test_a_gallery_of_an_older_preprocessing_says_what_to_do(
    engine: Engine,
    settings: Settings,
    checkpoint_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load_encoder(engine, with_weights(settings, checkpoint_file))
    monkeypatch.setattr("model.checkpoint_info.PREPROCESSING_VERSION", "next")

    with pytest.raises(EncoderMismatch, match=r"needs preprocessing .* start a new gallery"):
        load_encoder(engine, with_weights(settings, tmp_path / "msnet-0123456789ab.safetensors"))
