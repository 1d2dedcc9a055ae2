"""What embeds a query in the network's process; see `service.explaining_process` beside it.

`service.uploads.embedding` names this module without importing it, for it loads torch.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from model.checkpoint import load
from model.placement import Box
from model.region import RegionEmbedder


def embed(checkpoint: Path, picture: NDArray[np.float32], box: Box | None) -> NDArray[np.float32]:
    """Coordinates (D,) of a prepared slice (S, S), or of a box of it; see `RegionEmbedder`.

    Raises:
        ModelError: the checkpoint cannot be used, or the slice was not prepared for it.
    """
    # Receiving and searching go on beside this; one core is enough for one slice.
    torch.set_num_threads(1)
    side = float(len(picture))
    return _embedder(checkpoint).coordinates(picture, box or (0.0, 0.0, side, side))


@lru_cache(maxsize=1)
def _embedder(checkpoint: Path) -> RegionEmbedder:
    return RegionEmbedder(load(checkpoint))
