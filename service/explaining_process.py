"""What explains in the network's process, the one place of an API's processes with torch.

`service.explaining` names this module without importing it.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from model.checkpoint import load
from model.explanation.explainer import Explainer
from service.explained import Explained, drawn, slice_side
from service.showing import ShownSlice


def explain(
    checkpoint: Path,
    first: ShownSlice,
    second: ShownSlice,
    background: NDArray[np.float32] | None,
    picture: bool,
) -> Explained:
    """Explain the similarity of two slices by the encoder in a file, in a picture if wanted.

    `background` are mean coordinates of usual slices; see `Explainer.explain`.

    Raises:
        ModelError: the checkpoint cannot be used, or the slices were not prepared for it.
    """
    # Receiving and searching go on beside this; one core is enough for one pair.
    torch.set_num_threads(1)
    return explain_with(_explainer(checkpoint), first, second, background, picture=picture)


@lru_cache(maxsize=1)
def _explainer(checkpoint: Path) -> Explainer:
    return Explainer(load(checkpoint))


def explain_with(
    explainer: Explainer,
    first: ShownSlice,
    second: ShownSlice,
    background: NDArray[np.float32] | None = None,
    *,
    picture: bool = True,
) -> Explained:
    """The same, with an encoder that is loaded already."""
    found = explainer.explain(first.prepared, second.prepared, background)
    one, two = found.first, found.second
    return Explained(
        encoder=explainer.name,
        similarity=found.similarity,
        first=slice_side(first, one.heat, one.scales, one.constant),
        second=slice_side(second, two.heat, two.scales, two.constant),
        png=drawn([(first, one.heat), (second, two.heat)]) if picture else None,
    )
