"""Whose neighbours vote: of each patient the nearest slice, and of those the ones with labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from service.evidence.provenance import CountedLabel, counted_labels
from service.search.found import Neighbour

PATIENTS = 50  # asked: the nearest slice of each
VOTERS = 20  # of them vote: the nearest that have a label which counts


@dataclass(frozen=True)
class Candidate:
    """A patient's nearest slice and its labels that count."""

    neighbour: Neighbour
    labels: tuple[CountedLabel, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, each once."""
        return tuple(sorted({label.label for label in self.labels}))


def nearest_of_each(neighbours: Iterable[Neighbour]) -> list[Neighbour]:
    """The nearest slice of each patient, nearest first.

    Neither the order of the neighbours nor how many slices a patient has among them matters.
    """
    nearest: dict[UUID, Neighbour] = {}
    for neighbour in sorted(neighbours, key=_nearness):
        nearest.setdefault(neighbour.patient_key, neighbour)
    return list(nearest.values())


def _nearness(neighbour: Neighbour) -> tuple[float, str, int]:
    return neighbour.distance, neighbour.sop_instance_uid, neighbour.frame


def candidates_of(connection: Connection, neighbours: Iterable[Neighbour]) -> tuple[Candidate, ...]:
    """The nearest slices of the 50 nearest patients among `neighbours`, with what they say."""
    found = nearest_of_each(neighbours)[:PATIENTS]
    labels = counted_labels(connection, [n.instance_id for n in found])
    return tuple(Candidate(n, labels.get(n.instance_id, ())) for n in found)


def voters_of(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Those that vote."""
    return tuple(candidate for candidate in candidates if candidate.labels)[:VOTERS]
