"""An encoder without an affine last layer, whose coordinates no index takes whole."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model.turning import leading_directions, turn_of
from service.encoders.registry import EncoderDescription
from tests.support.encoders import DIMENSION, EMBEDDING_DIMENSION, made_encoder, unit
from tests.support.galleries import MadeInstance

WIDE = 2500
_SAMPLE = 300


def plain_wide_encoder() -> EncoderDescription:
    """Its columns come in no order: the leading ones tell as little as any."""
    basis = np.eye(EMBEDDING_DIMENSION, WIDE, dtype=np.float32)
    return replace(made_encoder(), name="wide", basis=basis)


def wide_encoder(made: list[MadeInstance]) -> EncoderDescription:
    """The same with its basis turned to what a sample of wide slices differ in."""
    plain = plain_wide_encoder()
    drawn = np.random.default_rng(3).choice(len(made), _SAMPLE, replace=False)
    sample = embedded([made[number] for number in drawn]) @ plain.basis
    turned = plain.basis @ turn_of(leading_directions(sample))
    return replace(plain, basis=np.asarray(turned, np.float32))


def wide_slices(made: list[MadeInstance], encoder: EncoderDescription) -> list[MadeInstance]:
    """Slices with the coordinates that `encoder` gives them."""
    coordinates = unit((embedded(made) @ encoder.basis).astype(np.float64))
    return [replace(one, coordinates=row[None]) for one, row in zip(made, coordinates, strict=True)]


def embedded(made: list[MadeInstance]) -> NDArray[np.float32]:
    """Embeddings (N, 4096) of slices: bent, so that they fill all WIDE directions."""
    inner = np.concatenate([one.coordinates for one in made if one.coordinates is not None])
    weights = np.random.default_rng(4).normal(size=(DIMENSION, WIDE))
    bent = unit(np.tanh(3 * inner @ weights))
    return np.pad(bent, ((0, 0), (0, EMBEDDING_DIMENSION - WIDE)))
