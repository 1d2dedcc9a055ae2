"""Binary codes of embeddings, for encoders that were trained with a hash layer. Free of torch.

A code is what the signs of a linear layer over the coordinates say: 64 to 256 bits instead of
hundreds of numbers, compared by counting bits that differ. Nothing in the service needs them yet.
"""

import numpy as np
from numpy.typing import NDArray

from model.checkpoint import Checkpoint
from model.errors import CheckpointError

HASH_WEIGHT, HASH_BIAS = "hash.weight", "hash.bias"


def binary_codes(coordinates: NDArray[np.float32], checkpoint: Checkpoint) -> NDArray[np.uint8]:
    """Codes (N, bits / 8), eight bits a byte, of the embeddings with these coordinates (N, D).

    Raises CheckpointError if the encoder has no hash layer, or one for other coordinates.
    """
    try:
        weight, bias = checkpoint.weights[HASH_WEIGHT], checkpoint.weights[HASH_BIAS]
    except KeyError:
        raise CheckpointError(f"{checkpoint.name} was trained without a hash layer") from None
    if coordinates.ndim != 2 or coordinates.shape[1] != weight.shape[1]:
        raise CheckpointError(
            f"the hash layer of {checkpoint.name} takes {weight.shape[1]} coordinates"
        )
    return np.packbits(coordinates @ weight.T + bias > 0, axis=1)


def hamming_distances(queries: NDArray[np.uint8], gallery: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many bits differ, (N, M), between codes (N, B) and (M, B)."""
    different = np.bitwise_count(queries[:, None] ^ gallery)
    distances: NDArray[np.int64] = different.sum(axis=2, dtype=np.int64)
    return distances
