"""Prometheus metrics of the node, the worker and the API.

Each process writes its numbers into files below the state folder (`prometheus_client`'s
multi-process mode), and the API's `/metrics` adds them up: those of every host that shares the
folder, since containers give all their processes the same number.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select

from dicom_node.observer import AssociationEvent
from service.db.node_tables import dropped_object
from service.db.reindex_tables import reindex_chunk
from service.db.tables import conflict, embedding_job, encoder, instance
from service.encoders.registry import FOLLOWED
from service.metrics_folder import DIRECTORY_VARIABLE
from service.standing_metrics import standing

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class NodeMetrics:
    """What the DICOM node counts; it is the node's observer."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._received = Counter(
            "precuneus_received", "C-STORE requests received", registry=registry
        )
        self._stored = Counter(
            "precuneus_stored", "C-STORE requests acknowledged", registry=registry
        )
        self._refused = Counter(
            "precuneus_refused",
            "C-STORE requests refused, by status",
            ["status"],
            registry=registry,
        )
        self._associations = Counter(
            "precuneus_associations",
            "Associations, by what became of them",
            ["stage"],
            registry=registry,
        )
        self._unrecorded = Counter(
            "precuneus_unrecorded_associations",
            "Lines of the record of associations that were lost",
            registry=registry,
        )
        self._seconds = Histogram(
            "precuneus_store_seconds",
            "From the whole C-STORE request to its response",
            registry=registry,
            buckets=_SECONDS,
        )

    def received(self) -> None:
        """A C-STORE request has arrived whole."""
        self._received.inc()

    def stored(self, seconds: float) -> None:
        """An instance was acknowledged, `seconds` after its request had arrived."""
        self._stored.inc()
        self._seconds.observe(seconds)

    def refused(self, status: int) -> None:
        """A C-STORE request was answered with a failure."""
        self._refused.labels(f"0x{status:04X}").inc()

    def association(self, event: AssociationEvent) -> None:
        """Something became of a peer."""
        self._associations.labels(event.stage.value).inc()

    def unrecorded(self, count: int) -> None:
        """So many lines of the record of associations were lost."""
        self._unrecorded.inc(count)


class WorkerMetrics:
    """What the worker counts."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._embedded = Counter("precuneus_embedded", "Instances embedded", registry=registry)
        self._frames = Counter("precuneus_embedded_frames", "Slices embedded", registry=registry)
        self._refused = Counter(
            "precuneus_not_embedded",
            "Instances settled without embedding",
            ["state"],
            registry=registry,
        )
        self._seconds = Histogram(
            "precuneus_batch_seconds", "A worker's batch", registry=registry, buckets=_SECONDS
        )

    def batch(self, *, embedded: int, frames: int, seconds: float) -> None:
        """A batch was settled, `seconds` after its embedding began.

        Batches overlap: one is written while the next is embedded.
        """
        self._embedded.inc(embedded)
        self._frames.inc(frames)
        self._seconds.observe(seconds)

    def refused(self, state: str) -> None:
        """An instance was settled as `unsupported` or `failed`, or `postponed`."""
        self._refused.labels(state).inc()


class ApiMetrics:
    """What the API counts."""

    def __init__(self) -> None:
        self._seconds = Histogram(
            "precuneus_request_seconds",
            "HTTP requests, by route and status",
            ["method", "route", "status"],
            registry=CollectorRegistry(),
            buckets=_SECONDS,
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; `route` is the template, so that no UID becomes a label."""
        self._seconds.labels(method, route, str(status)).observe(seconds)


class ProcessesCollector(Collector):
    """The sum of what all processes counted, whichever host they ran on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """The processes' metrics, added up."""
        files = [str(file) for file in self._folder.glob("*/*.db")]
        metrics: Iterable[Metric] = multiprocess.MultiProcessCollector.merge(  # type: ignore[no-untyped-call]
            files
        )
        return metrics


_BEHIND = (
    select(encoder.c.name, func.coalesce(func.sum(reindex_chunk.c.instances), 0))
    .select_from(encoder.outerjoin(reindex_chunk))
    .where(encoder.c.state.in_(FOLLOWED))
    .group_by(encoder.c.name)
)


class GalleryCollector(Collector):
    """The gallery's present state, asked of the database at each scrape."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Instances by state, waiting jobs, conflicts, and what was dropped."""
        with self._engine.connect() as connection:
            states = connection.execute(
                select(instance.c.state, func.count()).group_by(instance.c.state)
            )
            by_state = dict.fromkeys(("pending", "embedded", "unsupported", "failed"), 0)
            by_state.update((state, count) for state, count in states)
            jobs = connection.scalar(select(func.count()).select_from(embedding_job))
            conflicts = connection.scalar(select(func.count()).select_from(conflict))
            dropped = connection.scalar(select(func.count()).select_from(dropped_object))
            behind = connection.execute(_BEHIND).all()
            noted = standing(connection)
        family = GaugeMetricFamily(
            "precuneus_instances", "Instances in the gallery, by state", labels=["state"]
        )
        for state, count in by_state.items():
            family.add_metric([state], count)
        yield family
        yield GaugeMetricFamily("precuneus_jobs", "Instances waiting to be embedded", value=jobs)
        yield GaugeMetricFamily("precuneus_conflicts", "Conflicting objects kept", value=conflicts)
        yield GaugeMetricFamily("precuneus_dropped", "Objects dropped by a rule", value=dropped)
        lag = GaugeMetricFamily(
            "precuneus_behind", "Instances that an encoder has still to embed", labels=["encoder"]
        )
        for name, instances in behind:
            lag.add_metric([name], instances)
        yield lag
        yield from noted


def exposition(engine: Engine) -> bytes:
    """All metrics in Prometheus' text format.

    Raises:
        SQLAlchemyError: the database does not answer.
    """
    registry = CollectorRegistry()
    registry.register(GalleryCollector(engine))
    if DIRECTORY_VARIABLE in os.environ:
        registry.register(ProcessesCollector(Path(os.environ[DIRECTORY_VARIABLE]).parent))
    return generate_latest(registry)
