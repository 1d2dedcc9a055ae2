"""An encoder and a list of slices -> what evaluation takes: prepared slices and their embeddings.

What the figures mean is the model package's; this only joins decoding and the encoder.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from model.checkpoint import Checkpoint
from model.dataset import Dataset
from model.embedder import Embedder
from model.manifest import ManifestRow, load_dataset
from model.preprocess import PreprocessConfig
from service.settings import WorkerSettings
from service.slices import slice_decoder

_AT_ONCE = 64

Progress = Callable[[int, int], None]


def prepare_slices(
    rows: Sequence[ManifestRow],
    config: PreprocessConfig,
    planes: dict[str, str],
    settings: WorkerSettings,
    progress: Progress,
) -> Dataset:
    """Decode and prepare listed slices, in order; `planes` maps groups to their plane.

    `progress` hears how many of how many slices are done. Raises InvalidParameter, naming
    the file, for one that is no image.
    """
    with slice_decoder(settings, [row.path for row in rows]) as decode:
        return load_dataset(rows, decode, config, planes=planes, progress=progress)


def embed(
    checkpoint: Checkpoint, dataset: Dataset, device: str, progress: Progress
) -> NDArray[np.float32]:
    """(N, D) coordinates of a data set's slices; Euclidean distances are the embeddings'.

    Raises CheckpointError or EmbeddingError as the encoder does.
    """
    embedder = Embedder(checkpoint, device)
    found = np.zeros((len(dataset), embedder.coordinate_dim), np.float32)
    for start in range(0, len(dataset), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        found[part] = embedder.coordinates(dataset.images[part])
        progress(min(start + _AT_ONCE, len(dataset)), len(dataset))
    return found
