"""The worker as a process: load the gallery's encoder, register it, and embed."""

import logging

from sqlalchemy import Engine

from model.checkpoint import load
from model.embedder import Embedder
from service.child import follow_parent
from service.embedders import Embedders, load_kept, make_embedder, register_checkpoint
from service.encoders.files import choose_checkpoint, configured_checkpoint
from service.encoders.registry import ActiveEncoder, get_active
from service.errors import EncoderMismatch
from service.logs import configure_logs
from service.metrics import WorkerMetrics
from service.opening import object_store, open_gallery
from service.processes.signals import stop_event
from service.settings import Settings
from service.shifts import Shifts

_LOG = logging.getLogger("precuneus.worker")


def run_worker(settings: Settings, *, once: bool = False) -> int:
    """Embed what waits until SIGTERM, or with `once` until nothing is left."""
    configure_logs()
    follow_parent()
    with open_gallery(settings) as engine:
        embedder, encoder = load_encoder(engine, settings)
        embedders = Embedders(engine, settings)
        embedders.add(encoder, embedder)
        shifts = Shifts(engine, object_store(settings), embedders, settings, WorkerMetrics())
        stop_event(shifts.stop)
        fields = {"action": "ready", "encoder": encoder.name, "device": str(embedder.device)}
        fields |= {"execution": embedder.execution, "precision": settings.worker.precision}
        _LOG.info("worker ready", extra=fields)
        shifts.run(once=once)
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
    checkpoint = load(path) if path == configured else load_kept(path)
    embedder = make_embedder(checkpoint, settings.worker)
    register_checkpoint(engine, settings, path, embedder, checkpoint.info)
    with engine.connect() as connection:
        active = get_active(connection)
    if active.digest != embedder.digest:
        raise EncoderMismatch(
            f"The gallery was embedded by {active.name}, these weights are {embedder.name}."
        )
    return embedder, active
