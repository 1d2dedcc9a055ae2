"""Small networks and data sets for the tests of the model."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from model import checkpoint
from model.dataset import Dataset
from model.msnet import MSNet, MSNetConfig
from model.preprocess import PreprocessConfig

TINY = MSNetConfig(widths=(4, 8, 16), depths=(1, 1, 1), embedding_dim=64)
SIZE = 16


def network(seed: int = 1) -> MSNet:
    """A network whose norms have seen data, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = MSNet(TINY)
        for _ in range(20):
            made(torch.rand(8, 1, SIZE, SIZE))
    return made.eval()


def info(side: int = SIZE) -> checkpoint.CheckpointInfo:
    return checkpoint.CheckpointInfo(
        network=TINY,
        preprocess=PreprocessConfig(size=side),
        label_names=("dark", "bright"),
        data_statement="drawn numbers",
        metrics={"tumour_macro_map": 0.5},
        training={"seed": 1},
    )


def saved(folder: Path, made: MSNet, side: int = SIZE) -> Path:
    weights = {n: t.numpy() for n, t in made.state_dict().items() if t.is_floating_point()}
    return checkpoint.save(folder, weights, info(side))


def slices(count: int, seed: int = 1, side: int = SIZE) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).random((count, side, side))
    return drawn.astype(np.float32)


def dataset(count: int, seed: int = 1, side: int = SIZE) -> Dataset:
    """Half of the slices hold a dim blob at the left, half a bright one at the right; all noise.

    Four slices are of one patient; other seeds make other patients. The box of the blob is known in
    every second pair, the plane too.
    """
    images = slices(count, seed, side) * 0.5
    labels = np.arange(count, dtype=np.int64) % 2
    lesions = np.full((count, 4), np.nan, np.float32)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        image[4:12, 2 + 7 * label : 7 + 7 * label] += 0.3 + 0.2 * label
        if number % 4 < 2:
            lesions[number] = np.array((2 + 7 * label, 4, 7 + 7 * label, 12)) / side
    groups = np.arange(count, dtype=np.int64) // 4
    return Dataset(
        images=images,
        labels=labels,
        groups=groups,
        label_names=("dark", "bright"),
        preprocess=PreprocessConfig(size=side),
        lesions=lesions,
        planes=np.where(np.arange(count) % 4 < 2, labels, -1),
        group_names=tuple(f"patient {seed}-{n}" for n in range(-(-count // 4))),
        sop_instance_uids=tuple(f"1.{seed}.{n}" for n in range(count)),
    )
