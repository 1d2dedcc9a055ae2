"""Which device torch computes on."""

import torch

from model.errors import EmbeddingError


def device_named(name: str) -> torch.device:
    """The device "cpu" or "cuda", or with "auto" CUDA where there is any.

    Raises EmbeddingError for another name, or if there is no such device.
    """
    if name not in ("cpu", "cuda", "auto"):
        raise EmbeddingError(f"unknown device {name!r}: cpu, cuda or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise EmbeddingError("there is no CUDA device that torch can use")
    return torch.device(name)
