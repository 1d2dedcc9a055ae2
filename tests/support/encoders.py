"""Encoders made for tests: bases without a network, and a network small enough for a test."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.encoders.registry import EncoderDescription

EMBEDDING_DIMENSION = 4096
DIMENSION = 24


def made_encoder(number: int = 1, dimension: int = DIMENSION) -> EncoderDescription:
    """An encoder with a random orthonormal basis."""
    gaussian = np.random.default_rng(number).normal(size=(EMBEDDING_DIMENSION, dimension))
    basis, _ = np.linalg.qr(gaussian)
    return EncoderDescription(
        digest=f"{number:064x}",
        name=f"made-{number}",
        preprocessing="test",
        basis=basis.astype(np.float32),
        metrics={"number": number},
    )


def unit(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Rows of unit length, float32."""
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), np.float32)


def tiny_checkpoint(
    folder: Path,
    *,
    mirrored: bool = False,
    seed: int = 1,
    widths: tuple[int, int, int] = (4, 8, 16),
    size: int = 32,
) -> Path:
    """A checkpoint of an untrained MSNet, by default of 29 coordinates on pictures of 32 x 32."""
    import torch

    from model import checkpoint
    from model.msnet import MSNet, MSNetConfig
    from model.preprocess import PreprocessConfig

    config = MSNetConfig(widths=widths, depths=(1, 1, 1), mirrored=mirrored)
    torch.manual_seed(seed)
    weights = {
        name: tensor.numpy()
        for name, tensor in MSNet(config).eval().state_dict().items()
        if tensor.is_floating_point()
    }
    info = checkpoint.CheckpointInfo(config, PreprocessConfig(size=size), ("a", "b"), "none")
    return checkpoint.save(folder, weights, info)
