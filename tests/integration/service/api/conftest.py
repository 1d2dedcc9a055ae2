"""A gallery with one instance of each kind behind a real HTTP server."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Engine, create_engine

from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from service.api.deps import Resources
from service.api.uploading import UploadGate
from service.decoding import DecodePool
from service.encoders.registry import ActiveEncoder, register
from service.explaining import EncoderFiles
from service.labels.record import LabelRecord
from service.labels.writing import record_labels
from service.metrics import ApiMetrics
from service.network_process import NetworkProcess
from service.opening import object_store, receiver
from service.patients import PatientKeyer
from service.settings import EncoderSettings, HttpSettings, LabelSettings, Settings
from tests.support.databases import fresh_database
from tests.support.encoders import DIMENSION, made_encoder, unit
from tests.support.galleries import MadeInstance, fill
from tests.support.objects import ct_dataset, write_file
from tests.support.serving import serving

PENDING, UNSUPPORTED, FAILED, MULTI_FRAME = "9.1", "9.2", "9.3", "9.4"
LABELLED = "8.1"


@dataclass(frozen=True, repr=False)
class Filled:
    """A gallery; `stored` is the UID of a CT slice with a file, `pixels` what it shows."""

    client: httpx.Client
    engine: Engine
    encoder: ActiveEncoder
    embedded: list[MadeInstance]
    stored: str
    pixels: NDArray[np.int16]


def embedded_instances() -> list[MadeInstance]:
    coordinates = unit(np.random.default_rng(1).normal(size=(40, 1, DIMENSION)))
    return [
        MadeInstance(f"8.{n}", patient=n // 2, modality="MR" if n % 3 else "CT", coordinates=c)
        for n, c in enumerate(coordinates)
    ]


def other_instances() -> list[MadeInstance]:
    return [
        MadeInstance(PENDING, patient=50, state="pending"),
        MadeInstance(UNSUPPORTED, patient=51, state="unsupported", reason="not an image"),
        MadeInstance(FAILED, patient=52, state="failed", reason="the decoder crashed on it"),
        MadeInstance(
            MULTI_FRAME,
            patient=53,
            coordinates=unit(np.random.default_rng(2).normal(size=(3, DIMENSION))),
        ),
    ]


def resources_of(
    engine: Engine,
    store: ObjectStore,
    pool: DecodePool,
    *,
    encoder_files: EncoderFiles | None = None,
    keyer: PatientKeyer | None = None,
    uploads: UploadGate | None = None,
    labels: LabelSettings | None = None,
    demands_key: bool = False,
) -> Resources:
    return Resources(
        engine=engine,
        store=store,
        pool=pool,
        metrics=ApiMetrics(),
        keyer=keyer or PatientKeyer(b"of a test's gallery"),
        encoder_files=encoder_files or EncoderFiles(Path("nowhere"), EncoderSettings()),
        network=NetworkProcess(),
        demands_key=demands_key,
        uploads=uploads or UploadGate(HttpSettings()),
        labels=labels or LabelSettings(),
    )


@pytest.fixture(scope="module")
def filled(
    cluster_url: str, tmp_path_factory: pytest.TempPathFactory, decode_pool: DecodePool
) -> Iterator[Filled]:
    """A gallery that tests only read."""
    folder = tmp_path_factory.mktemp("filled")
    with fresh_database(cluster_url) as url:
        engine = create_engine(url)
        settings = Settings(_env_file=None, state_dir=folder, database={"url": url})  # type: ignore[call-arg, arg-type]
        with engine.begin() as connection:
            encoder = register(connection, made_encoder())
        embedded = embedded_instances()
        fill(engine, [*embedded, *other_instances()], encoder)
        with engine.begin() as connection:
            record_labels(connection, [LabelRecord(LABELLED, None, "glioma", "board")])
        ramp = np.arange(48 * 64, dtype=np.int16).reshape(48, 64)
        stored = store_slice(settings, engine, folder, ramp)
        with serving(resources_of(engine, object_store(settings), decode_pool)) as client:
            yield Filled(client, engine, encoder, embedded, stored, ramp)
        engine.dispose()


def store_slice(settings: Settings, engine: Engine, folder: Path, pixels: NDArray[np.int16]) -> str:
    """Take in a CT slice and a rival of the same UID; its UID."""
    first = ct_dataset(pixels=pixels, patient_id="ZQ-4711", PatientAge="045Y")
    first.WindowCenter, first.WindowWidth = 512, 2048
    rival = ct_dataset(sop_instance_uid=first.SOPInstanceUID, patient_id="ZQ-4711")
    take = receiver(settings, engine)
    for name, dataset in (("first", first), ("rival", rival)):
        import_file(take, write_file(folder / name, dataset))
    return str(first.SOPInstanceUID)


@pytest.fixture
def serve(
    engine: Engine, store: ObjectStore, decode_pool: DecodePool
) -> Iterator[Callable[..., httpx.Client]]:
    """Serves the test's own gallery; `how` is as for `resources_of`."""
    running = []

    def start(**how: Any) -> httpx.Client:
        context = serving(resources_of(engine, store, decode_pool, **how))
        running.append(context)
        return context.__enter__()

    yield start
    for context in running:
        context.__exit__(None, None, None)
