"""An encoder without an affine last layer, whose coordinates no index takes whole."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from service.encoders.principal import turned_to_principal
from service.encoders.registry import EncoderDescription
from tests.support.encoders import DIMENSION, made_encoder, unit
from tests.support.galleries import MadeInstance

WIDE = 2500
_SAMPLE = 300


@lru_cache(maxsize=1)
def plain_wide_encoder() -> EncoderDescription:
    """Its columns come in no order: the leading ones tell as little as any."""
    return made_encoder(number=25, dimension=WIDE)


def wide_encoder(made: list[MadeInstance]) -> EncoderDescription:
    """The same with its basis turned to what a sample of wide slices differ in."""
    plain = plain_wide_encoder()
    drawn = np.random.default_rng(3).choice(len(made), _SAMPLE, replace=False)
    sample = embedded([made[number] for number in drawn])
    return replace(plain, basis=turned_to_principal(plain.basis, sample))


def wide_slices(made: list[MadeInstance], encoder: EncoderDescription) -> list[MadeInstance]:
    """Slices with the coordinates that `encoder` gives them."""
    coordinates = unit((embedded(made) @ encoder.basis).astype(np.float64))
    return [
        replace(one, coordinates=row[None]) for one, row in zip(made, coordinates, strict=True)
    ]


def embedded(made: list[MadeInstance]) -> NDArray[np.float32]:
    """Embeddings (N, 4096) of slices: bent, so that they fill all WIDE directions."""
    inner = np.concatenate([one.coordinates for one in made if one.coordinates is not None])
    weights = np.random.default_rng(4).normal(size=(DIMENSION, WIDE))
    return unit(np.tanh(3 * inner @ weights)) @ plain_wide_encoder().basis.T
