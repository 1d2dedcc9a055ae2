"""Runs the reindex benchmark: queries at a steady pace, before and while another index is built.

The build is the service's own (`service.reindex.building`), on a second partition of the same rows.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from sqlalchemy import Engine, text

from benchmarks.children import HOST
from benchmarks.installation import Installation, installed
from benchmarks.plan import Plan
from benchmarks.query.gallery import Gallery, fill, sop_instance_uid
from benchmarks.query.measure import shipped_encoder
from benchmarks.query.recipe import load as load_recipe
from benchmarks.query.rest import RestClient
from benchmarks.query.slices import make_up
from benchmarks.reindex.filling import Filled, measure_filling
from benchmarks.reindex.pace import BEFORE_S, WARM_UP, K, ask_until
from service.encoders.partitions import create_partition, index_name
from service.encoders.registry import ActiveEncoder, EncoderDescription, register
from service.reindex.building import build_index, sole_builder

SIZE = 30_000
_QUICK_SIZE = 3_000


@dataclass(frozen=True)
class Round:
    """Seconds of each query before the builds and during them, and of a build with its check.

    Levels are drawn by lot, and some graphs are built again: `builds` are all of this round.
    """

    before: list[float]
    during: list[float]
    build_s: float
    builds: int


@dataclass(frozen=True)
class Rebuilt:
    """What was found on a gallery of `slices`."""

    slices: int
    dimension: int
    rounds: tuple[Round, ...]
    filled: Filled


def measure(plan: Plan) -> Rebuilt:
    """Run the benchmark.

    Raises:
        BenchmarkError: the API failed.
        ServiceError: the embedded database failed.
    """
    size = _QUICK_SIZE if plan.quick else SIZE
    plan.progress(f"filling a gallery of {size} slices", 0, 1)
    description, rounds = shipped_encoder(), list[Round]()
    uids = [sop_instance_uid(number) for number in range(size)]
    with installed(plan.folder / "reindexed") as installation:
        slices = make_up(size, load_recipe())
        gallery = fill(installation, slices, description, lambda _: None)
        other = _copied(installation.engine, gallery, description)
        with (
            installation.running("api", "serve") as api,
            RestClient(HOST, installation.settings.http.port) as client,
        ):
            api.await_ready(client.reconnect)
            for uid in uids[:WARM_UP]:
                client.similar(uid, K)
            for number in range(plan.repetitions):
                plan.progress("queries beside an index build", number, plan.repetitions)
                rounds.append(_round(installation, client, uids, other))
    return Rebuilt(size, other.dimension, tuple(rounds), measure_filling(plan))


def _copied(engine: Engine, gallery: Gallery, description: EncoderDescription) -> ActiveEncoder:
    """A second encoder whose partition has the first one's rows, and no index."""
    columns = "SELECT column_name FROM information_schema.columns WHERE table_name = :table"
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        other = register(connection, replace(description, digest="1" * 64, name="made-up"))
        create_partition(connection, other.encoder_id, other.dimension)
        names = connection.scalars(text(columns), {"table": gallery.encoder.partition})
        rest = ", ".join(name for name in names if name != "encoder_id")
        connection.exec_driver_sql(
            f"INSERT INTO {other.partition} (encoder_id, {rest})"
            f" SELECT {other.encoder_id}, {rest} FROM {gallery.encoder.partition}"
        )
    return other


def _round(
    installation: Installation, client: RestClient, uids: Sequence[str], other: ActiveEncoder
) -> Round:
    client.reconnect()
    ended = threading.Event()
    threading.Timer(BEFORE_S, ended.set).start()
    before = ask_until(ended, client, uids)
    build = _Build(installation, other)
    build.start()
    during = ask_until(build.ended, client, uids)
    build.join()
    with installation.engine.begin() as connection:
        connection.exec_driver_sql(f"DROP INDEX {index_name(other.encoder_id)}")
    return Round(before, during, build.seconds / max(1, build.builds), build.builds)


class _Build(threading.Thread):
    """Builds the index as a worker has it built."""

    def __init__(self, installation: Installation, other: ActiveEncoder) -> None:
        super().__init__(name="build")
        self._installation = installation
        self._other = other
        self.ended = threading.Event()
        self.seconds = 0.0
        self.builds = 0

    def run(self) -> None:
        """Build, and say so."""
        started = perf_counter()
        try:
            with sole_builder(self._installation.engine) as connection:
                assert connection is not None
                settings = self._installation.settings
                self.builds = build_index(connection, self._other, settings)
        finally:
            self.seconds = perf_counter() - started
            self.ended.set()
