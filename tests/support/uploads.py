"""Files to search by, made in memory, and a served gallery that a real worker embedded."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from sqlalchemy import Engine

from dicom_node.files import ObjectStore
from dicom_node.importing import import_file
from service.api.deps import Resources
from service.api.uploading import UploadGate
from service.decoding import DecodePool
from service.explaining import EncoderFiles
from service.metrics import ApiMetrics, WorkerMetrics
from service.network_process import NetworkProcess
from service.opening import object_store, patient_keyer, receiver
from service.processes.worker import load_encoder
from service.settings import EncoderSettings, HttpSettings, Settings, WorkerSettings
from service.worker import LiveSource, Worker, make_pool
from tests.support.encoders import tiny_checkpoint
from tests.support.objects import ct_dataset, write_file
from tests.support.serving import serving

PATIENTS = 5
FRAMES = 3
SHAPE = (72, 64)
DICOM = {"Content-Type": "application/dicom"}


@dataclass(frozen=True, repr=False)
class UploadGallery:
    """Heads of `PATIENTS` patients, two slices each; the first has an object of `FRAMES`, too."""

    client: httpx.Client
    engine: Engine
    resources: Resources
    slices: list[Dataset]
    frames: Dataset

    def of_patient(self, number: int) -> set[str]:
        """The SOP Instance UIDs of a patient's objects."""
        own = [d for d in (*self.slices, self.frames) if d.PatientID == f"ZQ-{number}"]
        return {str(dataset.SOPInstanceUID) for dataset in own}


def head_pixels(seed: int, shape: tuple[int, int] = SHAPE) -> NDArray[np.int16]:
    """A head of brain tissue with something bright in it, as stored CT values."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices(shape)
    middle = np.array(shape) / 2
    inside = ((rows - middle[0]) / middle[0]) ** 2 + ((columns - middle[1]) / middle[1]) ** 2 < 0.8
    pixels = np.where(inside, 1024 + 35, 24) + random.integers(0, 8, shape)
    slant, step = random.integers(-2, 3), random.integers(5, 12)
    pixels[inside & ((rows + slant * columns) % step < step // 2)] += random.integers(10, 30)
    top, left = random.integers(20, 40, 2)
    pixels[top : top + 10, left : left + 8] = 1024 + 75
    return pixels.astype(np.int16)


def dicom_bytes(dataset: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> bytes:
    """`dataset` as a DICOM Part 10 file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = transfer_syntax
    data = BytesIO()
    file = FileDataset(None, dataset, file_meta=meta, preamble=b"\0" * 128)  # type: ignore[arg-type]
    file.save_as(data, enforce_file_format=True)
    return data.getvalue()


def picture_bytes(pixels: NDArray[Any], kind: str = "PNG", **how: Any) -> bytes:
    """Pixels (H, W), or (H, W, channels), as a picture file."""
    data = BytesIO()
    Image.fromarray(pixels).save(data, kind, **how)
    return data.getvalue()


def made_datasets() -> tuple[list[Dataset], Dataset]:
    """The slices and the object of several frames."""
    slices = [
        ct_dataset(pixels=head_pixels(number), patient_id=f"ZQ-{number // 2}")
        for number in range(2 * PATIENTS)
    ]
    stack = np.stack([head_pixels(100 + number) for number in range(FRAMES)])
    frames = ct_dataset(
        pixels=stack[0], patient_id="ZQ-0", NumberOfFrames=FRAMES, PixelData=stack.tobytes()
    )
    return slices, frames


@contextmanager
def upload_gallery(
    engine: Engine,
    url: str,
    folder: Path,
    pool: DecodePool,
    http: HttpSettings | None = None,
    standbys: tuple[Engine, ...] = (),
) -> Iterator[UploadGallery]:
    """A gallery of these objects, embedded by a network small enough for a test."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        state_dir=folder,
        database={"url": url},  # type: ignore[arg-type]
        encoder=EncoderSettings(checkpoint=tiny_checkpoint(folder, mirrored=True)),
    )
    slices, frames = made_datasets()
    take, store = receiver(settings, engine), object_store(settings)
    for number, dataset in enumerate((*slices, frames)):
        import_file(take, write_file(folder / f"{number}.dcm", dataset))
    embed_all(engine, store, settings)
    resources = Resources(
        engine=engine,
        store=store,
        pool=pool,
        metrics=ApiMetrics(),
        keyer=patient_keyer(settings, engine),
        encoder_files=EncoderFiles(settings.state_dir, EncoderSettings()),
        network=NetworkProcess(),
        demands_key=False,
        uploads=UploadGate(http or HttpSettings()),
        standbys=standbys,
        maximum_staleness_s=600.0,
    )
    with serving(resources) as client:
        yield UploadGallery(client, engine, resources, slices, frames)


def embed_all(engine: Engine, store: ObjectStore, settings: Settings) -> None:
    """Let a worker embed whatever waits."""
    embedder, encoder = load_encoder(engine, settings)
    one = WorkerSettings(decode_processes=1)
    source, metrics = LiveSource(engine, encoder), WorkerMetrics()
    with closing(make_pool(one)) as pool:
        Worker(engine, store, embedder, source, one, metrics, pool).run(once=True)
