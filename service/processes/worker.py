"""The worker as a process: load the gallery's encoder, register it, and embed."""

import json
import logging
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import Engine

from model.checkpoint import Checkpoint, CheckpointInfo, load
from model.embedder import Embedder
from model.errors import CheckpointError
from model.preprocess import PREPROCESSING_VERSION
from service.child import follow_parent
from service.encoders.files import choose_checkpoint, configured_checkpoint, keep_checkpoint
from service.encoders.registry import ActiveEncoder, EncoderDescription, get_active, register
from service.errors import EncoderMismatch
from service.logs import configure_logs
from service.metrics import WorkerMetrics
from service.opening import object_store, open_gallery
from service.processes.signals import stop_event
from service.settings import Settings
from service.worker import Worker

_LOG = logging.getLogger("precuneus.worker")


def run_worker(settings: Settings, *, once: bool = False) -> int:
    """Embed what waits until SIGTERM, or with `once` until nothing is left."""
    configure_logs()
    follow_parent()
    with open_gallery(settings) as engine:
        embedder, encoder = load_encoder(engine, settings)
        store = object_store(settings)
        worker = Worker(engine, store, embedder, encoder, settings.worker, WorkerMetrics())
        stop_event(worker.stop)
        fields = {"action": "ready", "encoder": encoder.name, "device": str(embedder.device)}
        fields |= {"execution": embedder.execution, "precision": settings.worker.precision}
        _LOG.info("worker ready", extra=fields)
        worker.run(once=once)
    return 0


def load_encoder(engine: Engine, settings: Settings) -> tuple[Embedder, ActiveEncoder]:
    """The gallery's encoder, ready to embed; on a new gallery, the configured one.

    Raises:
        CheckpointError: the configured weights cannot be used.
        EncoderMismatch: the weights at hand are not those that the gallery was embedded with, or
            this version cannot use them.
    """
    configured = configured_checkpoint(settings.encoder)
    with engine.connect() as connection:
        path = choose_checkpoint(connection, settings.state_dir, configured)
    checkpoint = _load_usable(path, is_kept=path != configured)
    embedder = Embedder(
        checkpoint,
        settings.worker.device,
        precision=settings.worker.precision,
        # The node, the database and the decoding processes want the cores too.
        split_slices=False,
    )
    with engine.begin() as connection:
        register(connection, describe_encoder(embedder, checkpoint.info))
        active = get_active(connection)
    if active.digest != embedder.digest:
        raise EncoderMismatch(
            f"The gallery was embedded by {active.name}, these weights are {embedder.name}."
        )
    keep_checkpoint(settings.state_dir, path)
    return embedder, active


def _load_usable(path: Path, *, is_kept: bool) -> Checkpoint:
    """Read the weights; `is_kept` says that they are the gallery's own, with no others instead.

    Raises:
        CheckpointError: the configured file cannot be used.
        EncoderMismatch: the gallery's own cannot.
    """
    try:
        return load(path)
    except CheckpointError as error:
        if not is_kept:
            raise
        raise EncoderMismatch(
            f"This version cannot use the encoder that the gallery was embedded with: {error}. Go "
            "on with the version that embedded it, or start a new gallery."
        ) from error


def describe_encoder(embedder: Embedder, info: CheckpointInfo) -> EncoderDescription:
    """What the gallery must know of an encoder."""
    return EncoderDescription(
        digest=embedder.digest,
        name=embedder.name,
        preprocessing=f"{PREPROCESSING_VERSION} {json.dumps(asdict(info.preprocess))}",
        basis=embedder.basis,
        metrics=dict(info.metrics),
    )
