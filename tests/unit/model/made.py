"""Small networks and data sets for the tests of the model."""

from pathlib import Path

import numpy as np
import torch

from model import checkpoint
from model.dataset import Dataset
from model.msnet import MSNet, MSNetConfig
from model.preprocess import PreprocessConfig

TINY = MSNetConfig(widths=(4, 8, 16), depths=(1, 1, 1), embedding_dim=64)
SIZE = 16


def network(config: MSNetConfig = TINY, seed: int = 1) -> MSNet:
    """A network whose norms have seen data, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = MSNet(config)
        for _ in range(20):
            made(torch.rand(8, 1, SIZE, SIZE))
    return made.eval()


def info(config: MSNetConfig = TINY) -> checkpoint.CheckpointInfo:
    return checkpoint.CheckpointInfo(
        network=config,
        preprocess=PreprocessConfig(size=SIZE),
        label_names=("dark", "bright"),
        data_statement="drawn numbers",
        metrics={"tumour_macro_map": 0.5},
        training={"seed": 1},
    )


def saved(folder: Path, made: MSNet) -> Path:
    weights = {n: t.numpy() for n, t in made.state_dict().items() if t.is_floating_point()}
    return checkpoint.save(folder, weights, info(made.config))


def slices(count: int, seed: int = 1) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    drawn = np.random.default_rng(seed).random((count, SIZE, SIZE))
    return drawn.astype(np.float32)


def dataset(count: int, seed: int = 1) -> Dataset:
    """Half of the slices hold a blob at the left, half at the right; noise everywhere."""
    images = slices(count, seed) * 0.5
    labels = np.arange(count, dtype=np.int64) % 2
    for image, label in zip(images, labels, strict=True):
        image[4:12, 2 + 7 * label : 7 + 7 * label] += 0.3 + 0.2 * label
    return Dataset(
        images=images,
        labels=labels,
        groups=np.arange(count, dtype=np.int64) // 4,
        label_names=("dark", "bright"),
        preprocess=PreprocessConfig(size=SIZE),
    )
