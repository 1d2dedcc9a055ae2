"""From an encoder's weights to what embeds with them. Torch is loaded here: not for the API."""

import json
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import Engine

from model.checkpoint import Checkpoint, CheckpointInfo, load
from model.embedder import Embedder
from model.errors import CheckpointError
from model.preprocess import PREPROCESSING_VERSION
from service.encoders.files import checkpoint_of, keep_checkpoint, store_weights
from service.encoders.registry import ActiveEncoder, EncoderDescription, register
from service.errors import EncoderMismatch
from service.settings import Settings, WorkerSettings


def make_embedder(checkpoint: Checkpoint, settings: WorkerSettings) -> Embedder:
    """An embedder as a worker uses it.

    Raises:
        CheckpointError: the weights do not fit their network.
        EmbeddingError: the device is not there.
    """
    return Embedder(
        checkpoint,
        settings.device,
        precision=settings.precision,
        # The node, the database and the decoding processes want the cores too.
        split_slices=False,
    )


def load_kept(path: Path) -> Checkpoint:
    """The weights of an encoder that the gallery knows, with no others instead.

    Raises:
        EncoderMismatch: this version cannot use them.
    """
    try:
        return load(path)
    except CheckpointError as error:
        raise EncoderMismatch(
            f"This version cannot use the encoder that the gallery was embedded with: {error}. Go "
            "on with the version that embedded it, or start a new gallery."
        ) from error


def register_checkpoint(
    engine: Engine, settings: Settings, path: Path, embedder: Embedder, info: CheckpointInfo
) -> ActiveEncoder:
    """Make an encoder known to the gallery, its weights kept in database and state folder."""
    with engine.begin() as connection:
        encoder = register(connection, describe_encoder(embedder, info))
        store_weights(connection, encoder.encoder_id, path)
    keep_checkpoint(settings.state_dir, path)
    return encoder


def register_file(engine: Engine, settings: Settings, path: Path) -> ActiveEncoder:
    """The same from a file alone, which is tried out on the CPU.

    Raises:
        CheckpointError: the file cannot be used.
    """
    checkpoint = load(path)
    return register_checkpoint(engine, settings, path, Embedder(checkpoint), checkpoint.info)


def describe_encoder(embedder: Embedder, info: CheckpointInfo) -> EncoderDescription:
    """What the gallery must know of an encoder."""
    return EncoderDescription(
        digest=embedder.digest,
        name=embedder.name,
        preprocessing=f"{PREPROCESSING_VERSION} {json.dumps(asdict(info.preprocess))}",
        basis=embedder.basis,
        metrics=dict(info.metrics),
    )


class Embedders:
    """The embedders of a worker process, loaded when they are first asked for."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._loaded: dict[int, Embedder] = {}

    def add(self, encoder: ActiveEncoder, embedder: Embedder) -> None:
        """Keep one that is loaded already."""
        self._loaded[encoder.encoder_id] = embedder

    def get(self, encoder: ActiveEncoder) -> Embedder:
        """The embedder of a registered encoder.

        Raises:
            EncoderMismatch: its weights are nowhere, or this version cannot use them.
        """
        if encoder.encoder_id not in self._loaded:
            with self._engine.connect() as connection:
                path = checkpoint_of(connection, self._settings.state_dir, encoder)
            checkpoint = load_kept(path)
            if checkpoint.digest != encoder.digest:
                raise EncoderMismatch(f"{path} does not hold the weights of {encoder.name}.")
            self._loaded[encoder.encoder_id] = make_embedder(checkpoint, self._settings.worker)
        return self._loaded[encoder.encoder_id]

    def keep_only(self, encoder_ids: set[int]) -> None:
        """Give back the memory of all others."""
        for encoder_id in set(self._loaded) - encoder_ids:
            del self._loaded[encoder_id]
