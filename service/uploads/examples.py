"""Where to search for what several slices have in common, and others have not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select, tuple_

from service.db.tables import embedding
from service.encoders.registry import ActiveEncoder
from service.errors import InvalidParameter, Unavailable
from service.search.target import EmbeddedSlice, Target, find_slice

MAXIMUM_EXAMPLES = 32
# Rocchio's weights of relevant and irrelevant examples (Manning, Raghavan, Schütze: Introduction to
# Information Retrieval, 2008, section 9.1.1). There is no query beside them, so alpha is 0.
_POSITIVE = 0.75
_NEGATIVE = 0.15
_LEAST_LENGTH = 1e-3  # of unit vectors' sum: less has no direction worth searching in

Coordinates = NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """A slice of the gallery."""

    sop_instance_uid: str
    frame: int = 1


def target_of(
    connection: Connection, positive: Sequence[Example], negative: Sequence[Example]
) -> tuple[ActiveEncoder, Target]:
    """The active encoder, and where the examples point.

    The examples themselves are left out of the search, and so are their patients unless it takes
    the same patient.

    Raises:
        InvalidParameter: no positive example, too many, one on both sides, or they cancel out.
        InstanceUnknown, InstancePending, NotSearchable: an example has no embedding; it is named.
        Unavailable: no encoder is active, or it changes at this moment.
    """
    _check(positive, negative)
    liked, disliked = _find(connection, positive), _find(connection, negative)
    (encoder, *others) = {encoder for encoder, _ in (*liked, *disliked)}
    if others:
        raise Unavailable("The gallery's encoder is being changed; try again in a moment.")
    slices = [slice_ for _, slice_ in (*liked, *disliked)]
    known = _coordinates(connection, encoder, slices)
    if len(known) < len(slices):
        raise Unavailable("An example is being deleted; try again in a moment.")
    direction = rocchio(known[: len(liked)], known[len(liked) :])
    target = Target(
        coordinates=direction,
        without=tuple((slice_.instance_id, slice_.frame) for slice_ in slices),
        patient_keys=tuple({slice_.patient_key for slice_ in slices}),
    )
    return encoder, target


def rocchio(positive: Sequence[Coordinates], negative: Sequence[Coordinates]) -> Coordinates:
    """Unit coordinates nearer to the positive examples (D,) than to the negative ones.

    Raises:
        InvalidParameter: the examples cancel out.
    """
    found = _POSITIVE * np.mean(positive, axis=0, dtype=np.float64)
    if negative:
        found = found - _NEGATIVE * np.mean(negative, axis=0, dtype=np.float64)
    length = float(np.linalg.norm(found))
    if length < _LEAST_LENGTH:
        raise InvalidParameter("The examples cancel out: they have no direction in common.")
    return np.asarray(found / length, np.float32)


def _check(positive: Sequence[Example], negative: Sequence[Example]) -> None:
    if not positive:
        raise InvalidParameter("At least one positive example is needed.")
    if len(positive) + len(negative) > MAXIMUM_EXAMPLES:
        raise InvalidParameter(f"At most {MAXIMUM_EXAMPLES} examples are taken.")
    for example in set(positive) & set(negative):
        raise InvalidParameter(
            f"Frame {example.frame} of {example.sop_instance_uid} is both positive and negative."
        )


def _find(
    connection: Connection, examples: Sequence[Example]
) -> list[tuple[ActiveEncoder, EmbeddedSlice]]:
    """Examples that are named twice count once."""
    return [find_slice(connection, e.sop_instance_uid, e.frame) for e in dict.fromkeys(examples)]


def _coordinates(
    connection: Connection, encoder: ActiveEncoder, slices: Sequence[EmbeddedSlice]
) -> list[Coordinates]:
    """Those of the slices that are still there, in their order."""
    places = [(slice_.instance_id, slice_.frame) for slice_ in slices]
    rows = connection.execute(
        select(embedding.c.instance_id, embedding.c.frame, embedding.c.coordinates).where(
            embedding.c.encoder_id == encoder.encoder_id,
            tuple_(embedding.c.instance_id, embedding.c.frame).in_(places),
        )
    )
    known = {(row.instance_id, row.frame): np.asarray(row.coordinates, np.float32) for row in rows}
    return [known[place] for place in places if place in known]
