"""Puts a trained encoder among those that ship: with its figures, and small if that costs nothing.

For whoever makes a release: a hospital names its own checkpoint in a setting instead.
"""

from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np

from model.checkpoint import Checkpoint, ShippedName, load, save
from model.dataset import Dataset
from model.embedder import Embedder
from model.errors import CheckpointError
from model.evaluation.evaluate import evaluate
from model.half_precision import half_precision_error
from service.training import TrainingSets

# Neighbours differ by far more than unit vectors that have moved by so little.
_NOTHING = 2e-3
_PROBES = 200


def install_encoder(name: ShippedName, sets: TrainingSets, trained: Path, folder: Path) -> Path:
    """Replace the encoder of `folder`/`name` by a checkpoint; its path there.

    Its figures are those of the validation slices, if there are any, in a gallery of the training
    slices. Raises CheckpointError if the file is none of ours.
    """
    loaded = load(trained)
    figures = {} if sets.validation is None else measure(loaded, sets.training, sets.validation)
    info = replace(loaded.info, metrics={**loaded.info.metrics, **figures})
    half = _may_be_half(loaded, sets.training)
    path = save(folder / name, loaded.weights, info, dtype="float16" if half else "float32")
    for file in (folder / name).glob("msnet-*.safetensors"):
        if file != path:
            file.unlink()
    return path


def shipped_folder() -> Path:
    """Where the encoders that ship lie."""
    return Path(str(resources.files("model"))) / "weights"


def measure(loaded: Checkpoint, gallery_set: Dataset, query_set: Dataset) -> dict[str, float]:
    """Macro figures: `all_macro_<measure>` of all labels, and of each modality that has several."""
    embedder = Embedder(loaded)
    queries = embedder.coordinates(query_set.images)
    gallery = embedder.coordinates(gallery_set.images)
    figures = {}
    for scope, labels in _scopes(query_set).items():
        report = evaluate(queries, query_set, gallery, gallery_set, labels=labels, resamples=0)
        for name, figure in report.summary.macro.items():
            figures[f"{scope}_macro_{name}"] = figure.value
    return figures


def _scopes(query_set: Dataset) -> dict[str, set[str]]:
    found = {"all": {query_set.label_names[n] for n in np.unique(query_set.labels)}}
    for modality in np.unique(query_set.modalities):
        numbers = np.unique(query_set.labels[query_set.modalities == modality])
        if 1 < len(numbers) < len(found["all"]):
            found[str(modality).lower()] = {query_set.label_names[n] for n in numbers}
    return found


def _may_be_half(loaded: Checkpoint, train_set: Dataset) -> bool:
    some = train_set.images[:: -(-len(train_set) // _PROBES)]
    try:
        return half_precision_error(loaded, some) <= _NOTHING
    except CheckpointError:  # a weight is too large for it
        return False
