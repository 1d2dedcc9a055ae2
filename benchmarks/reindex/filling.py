"""Queries at a steady pace, before and while a worker embeds the gallery by the other encoder.

Real slices and real encoders, so that the network is what the queries share their processor with.
"""

import threading
from dataclasses import dataclass

from benchmarks.children import HOST
from benchmarks.embed.heads import write_heads
from benchmarks.installation import Installation, installed
from benchmarks.plan import Plan
from benchmarks.query.rest import RestClient
from benchmarks.reindex.pace import BEFORE_S, WARM_UP, K, ask_until
from dicom_node.configure import configure_pydicom
from service.embedders import Embedders, register_file
from service.encoder_files import encoder_path
from service.importing import import_files
from service.metrics import WorkerMetrics
from service.opening import object_store, receiver
from service.processes.worker import load_encoder
from service.reindex.planning import begin
from service.reindex.runs import run_under_way
from service.shifts import Shifts

SLICES = 400
_QUICK_SLICES = 60
_LOOK_S = 0.5


@dataclass(frozen=True)
class Filled:
    """Seconds of each query before the fill and during it, in a gallery of `slices`."""

    slices: int
    share: float
    before: list[float]
    during: list[float]


def measure_filling(plan: Plan) -> Filled:
    """Embed some slices by the encoder that ships, then by the other one under queries.

    Raises:
        BenchmarkError: the API failed, or the worker ended.
        ServiceError: the embedded database failed.
    """
    count = _QUICK_SLICES if plan.quick else SLICES
    plan.progress(f"embedding {count} slices", 0, 1)
    configure_pydicom()
    with installed(plan.folder / "filled") as installation:
        heads = write_heads(plan.folder / "heads", count)
        import_files(receiver(installation.settings, installation.engine), heads, lambda: None)
        _embed_all(installation)
        dev = encoder_path("dev")
        register_file(installation.engine, installation.settings, dev)
        uids = [f"2.25.3{number:030d}" for number in range(count)]
        with (
            installation.running("api", "serve") as api,
            RestClient(HOST, installation.settings.http.port) as client,
        ):
            api.await_ready(client.reconnect)
            for uid in uids[:WARM_UP]:
                client.similar(uid, K)
            plan.progress("queries beside a fill", 0, 1)
            ended = threading.Event()
            threading.Timer(BEFORE_S, ended.set).start()
            before = ask_until(ended, client, uids)
            during = _ask_while_filling(installation, client, uids, dev.stem)
    return Filled(count, installation.settings.reindex.share, before, during)


def _embed_all(installation: Installation) -> None:
    engine, settings = installation.engine, installation.settings
    load_encoder(engine, settings)
    embedders = Embedders(engine, settings)
    Shifts(engine, object_store(settings), embedders, settings, WorkerMetrics()).run(once=True)


def _ask_while_filling(
    installation: Installation, client: RestClient, uids: list[str], encoder: str
) -> list[float]:
    with installation.running("worker", "run"):
        settings = installation.settings.reindex
        begin(installation.engine, encoder, settings.batch_size)
        filled = threading.Event()
        watch = threading.Thread(target=_watch, args=(installation, filled))
        watch.start()
        during = ask_until(filled, client, uids)
        watch.join()
    return during


def _watch(installation: Installation, filled: threading.Event) -> None:
    """Say when no reindex is under way any more."""
    while not filled.wait(_LOOK_S):
        with installation.engine.connect() as connection:
            if run_under_way(connection) is None:
                filled.set()
