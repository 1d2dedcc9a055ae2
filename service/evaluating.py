"""An encoder and a list of slices -> what evaluation takes: prepared slices and their embeddings.

What the figures mean is the model package's; this only joins decoding and the encoder.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.dataset import Dataset
from model.embedder import Embedder
from model.manifest import ManifestRow, load_dataset
from model.preprocess import PreprocessConfig
from service.settings import WorkerSettings
from service.slices import slice_decoder

_AT_ONCE = 64

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PreparedSlices:
    """The slices of `rows`, in order; `unreadable` are listed files that gave none."""

    dataset: Dataset
    rows: tuple[ManifestRow, ...]
    unreadable: tuple[Path, ...]


def prepare_slices(
    rows: Sequence[ManifestRow],
    config: PreprocessConfig,
    planes: Mapping[str, str],
    settings: WorkerSettings,
    progress: Progress,
) -> PreparedSlices:
    """Decode and prepare listed slices; `planes` maps groups to their plane.

    `progress` hears how many of how many files are done. A few files that are no images are left
    out. Raises InvalidParameter, naming the files, if they are more, or for one of several frames.
    """
    with slice_decoder(settings, [row.path for row in rows]) as decode:
        dataset = load_dataset(rows, decode, config, planes=planes, progress=progress)
    unreadable = frozenset(decode.unreadable)
    kept = tuple(row for row in rows if row.path not in unreadable)
    return PreparedSlices(dataset, kept, tuple(decode.unreadable))


def embed(embedder: Embedder, dataset: Dataset, progress: Progress) -> NDArray[np.float32]:
    """(N, D) coordinates of a data set's slices; Euclidean distances are the embeddings'.

    Raises EmbeddingError as the encoder does.
    """
    found = np.zeros((len(dataset), embedder.coordinate_dim), np.float32)
    for start in range(0, len(dataset), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        found[part] = embedder.coordinates(dataset.images[part])
        progress(min(start + _AT_ONCE, len(dataset)), len(dataset))
    return found
