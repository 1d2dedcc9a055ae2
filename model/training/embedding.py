"""Embeds a data set with a network under training, in float32. The service has an embedder."""

import numpy as np
import torch
from numpy.typing import NDArray

from model.training.network import EmbeddingNetwork

_AT_ONCE = 32


@torch.no_grad()
def embed(
    network: EmbeddingNetwork, images: NDArray[np.float32], device: str
) -> NDArray[np.float32]:
    """Unit-length embeddings (N, E) of prepared slices (N, S, S)."""
    parts = []
    for start in range(0, len(images), _AT_ONCE):
        part = torch.from_numpy(images[start : start + _AT_ONCE])[:, None]
        part = part.to(device, memory_format=torch.channels_last)
        parts.append(network.embed(part).cpu().numpy())
    return np.concatenate(parts)
