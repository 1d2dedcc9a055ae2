"""Studies or series scored against the query, and the nearest of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.encoders.registry import ActiveEncoder
from service.studies.interaction import Floats, interact
from service.studies.rows import Rows, Unit, coordinates_of, read_rows
from service.studies.scope import Scope
from service.studies.subject import Subject


@dataclass(frozen=True, eq=False)
class Scored:
    """A study or series by the database's key. Of each of the query's n slices: the nearest slice.

    `matched` is (n, 3): series_id, instance_id and frame; `distance` is (n,).
    """

    key: int
    study_id: int
    patient_key: bytes
    slices: int
    score: float
    matched: NDArray[np.int64]
    distance: Floats


def score_units(
    connection: Connection,
    encoder: ActiveEncoder,
    subject: Subject,
    scope: Scope,
    units: Sequence[int],
) -> list[Scored]:
    """The units scored by all their slices in scope; one without any is left out."""
    rows = read_rows(connection, encoder, *scope.of_units(units))
    return [_scored(key, part, subject) for key, part in by_unit(rows, scope.unit)]


def by_unit(rows: Rows, unit: Unit) -> Iterator[tuple[int, Rows]]:
    """The rows of each study or series."""
    keys = rows[f"{unit}_id"].astype(np.int64)
    order = np.argsort(keys, kind="stable")
    found, starts = np.unique(keys[order], return_index=True)
    for key, places in zip(found, np.split(order, starts[1:]), strict=True):
        yield int(key), rows[places]


def _scored(key: int, rows: Rows, subject: Subject) -> Scored:
    found = interact(subject.coordinates, coordinates_of(rows))
    keys = np.stack([rows[name].astype(np.int64) for name in ("series_id", "instance_id", "frame")])
    return Scored(
        key=key,
        study_id=int(rows["study_id"][0]),
        patient_key=bytes(rows["patient_key"][0]),
        slices=len(rows),
        score=found.score,
        matched=keys.T[found.place],
        distance=found.distance,
    )


def best(scored: Iterable[Scored], k: int, *, one_per_patient: bool) -> list[Scored]:
    """The k nearest, nearest first; with `one_per_patient` the nearest of each patient's."""
    found: list[Scored] = []
    patients: set[bytes] = set()
    for one in sorted(scored, key=lambda one: (one.score, one.key)):
        if one_per_patient and one.patient_key in patients:
            continue
        patients.add(one.patient_key)
        found.append(one)
        if len(found) == k:
            break
    return found
