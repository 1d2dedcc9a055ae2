"""All studies or series scored: the answer that needs no proof, where it can be afforded."""

from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Connection

from service.encoders.registry import ActiveEncoder
from service.studies.interaction import Floats, distances, score_of
from service.studies.rows import Rows, coordinates_of, stream_rows
from service.studies.scope import Scope
from service.studies.scoring import Scored, best, by_unit, score_units
from service.studies.subject import Subject


@dataclass
class _Nearest:
    """Of each study or series so far: the query's slices' least distances to it, and the way back.

    `back` is the sum over its slices, and their number.
    """

    subject: Subject
    scope: Scope
    there: dict[int, Floats] = field(default_factory=dict)
    back: dict[int, tuple[float, int]] = field(default_factory=dict)
    patient: dict[int, bytes] = field(default_factory=dict)
    slices: int = 0

    def take(self, rows: Rows) -> None:
        self.slices += len(rows)
        for key, part in by_unit(rows, self.scope.unit):
            between = distances(self.subject.coordinates, coordinates_of(part))
            least, known = between.min(axis=1), self.there.get(key)
            self.there[key] = least if known is None else np.minimum(known, least)
            total, count = self.back.get(key, (0.0, 0))
            self.back[key] = (total + float(between.min(axis=0).sum()), count + len(part))
            self.patient.setdefault(key, bytes(part["patient_key"][0]))

    def scores(self) -> dict[int, float]:
        """The score of each."""
        means = {key: total / count for key, (total, count) in self.back.items()}
        return {
            key: score_of(float(nearest.mean()), means[key]) for key, nearest in self.there.items()
        }


@dataclass(frozen=True)
class Everything:
    """The nearest of all, how many there are, and of how many slices."""

    nearest: list[Scored]
    units: int
    slices: int


def rank_everything(
    connection: Connection,
    encoder: ActiveEncoder,
    subject: Subject,
    scope: Scope,
    k: int,
    *,
    one_per_patient: bool,
) -> Everything:
    """The k nearest of all studies or series in scope, read once and block by block."""
    found = _Nearest(subject, scope)
    stream_rows(connection, encoder, scope.where, scope.values, found.take)
    scores = found.scores()
    chosen: list[int] = []
    patients: set[bytes] = set()
    for key in sorted(scores, key=lambda key: (scores[key], key)):
        if len(chosen) == k:
            break
        if not one_per_patient or found.patient[key] not in patients:
            chosen.append(key)
            patients.add(found.patient[key])
    # Their slices are read again: to keep of all which slice matched which would take too much.
    nearest = score_units(connection, encoder, subject, scope, chosen) if chosen else []
    return Everything(best(nearest, k, one_per_patient=one_per_patient), len(scores), found.slices)
