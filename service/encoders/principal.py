"""Turns an encoder's basis, so that its leading coordinates are those along which slices differ.

For encoders that have more coordinates than an index takes: it holds the leading ones.
"""

import numpy as np
from numpy.typing import NDArray


def turned_to_principal(
    basis: NDArray[np.float32], embeddings: NDArray[np.float32]
) -> NDArray[np.float32]:
    """A basis (4096, D) of the same space, by how much a sample of embeddings (N, 4096) varies.

    Distances between coordinates stay as they are. The encoder has to compute its coordinates with
    the basis returned. N of some hundreds tells the leading directions.
    """
    sample = (embeddings @ basis).astype(np.float64)
    _, _, directions = np.linalg.svd(sample - sample.mean(axis=0), full_matrices=True)
    return np.asarray(basis.astype(np.float64) @ directions.T, np.float32)
