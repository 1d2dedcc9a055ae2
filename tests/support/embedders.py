"""Real encoders that let a test step in between decoding and writing."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from model.checkpoint import Checkpoint
from model.embedder import Embedder

Batch = NDArray[np.float32]


class WatchedEmbedder(Embedder):
    """An encoder that tells `before` what it is about to embed; it embeds all the same."""

    def __init__(self, checkpoint: Checkpoint, before: Callable[[Batch], object]) -> None:
        super().__init__(checkpoint)
        self._before = before

    def begin(self, batches: Iterable[Batch]) -> Callable[[], Batch]:
        """As the encoder's own, after a call of `before` for each batch."""
        return super().begin(map(self._announced, batches))

    def _announced(self, batch: Batch) -> Batch:
        self._before(batch)
        return batch
