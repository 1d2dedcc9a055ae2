"""What is known of an encoder's distances in a gallery, and the JSON in which it is kept."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from service.calibration.novelty import Subspace
from service.calibration.quantiles import Quantiles
from service.evidence.weighing import Weighing

Origin = Literal["gallery", "encoder"]
ALL = "all"


@dataclass(frozen=True)
class NoveltyFigures:
    """From which distance off the gallery's slices on nothing is similar.

    Set so that `false_alarms` of slices like the gallery's exceed it; `patients` were measured.
    """

    threshold: float
    false_alarms: float
    patients: int
    origin: Origin


@dataclass(frozen=True)
class EvidenceFigures:
    """How votes are weighed, and how far the shares can be believed.

    `ece` is the expected calibration error on `questions` slices of `patients` patients that the
    weighing was not fitted to; `protocol` says in words how that was measured.
    """

    weighing: Weighing
    ece: float
    accuracy: float
    questions: int
    patients: int
    origin: Origin
    protocol: str


@dataclass(frozen=True)
class Calibration:
    """All of it; `remarks` say in words what is missing, and why.

    `labels` is how many patients have each label that counts, `distances` the quantiles between
    unrelated patients, by modality and for all together.
    """

    patients: int
    slices: int
    labels: Mapping[str, int] = field(default_factory=dict)
    distances: Mapping[str, Quantiles] = field(default_factory=dict)
    novelty: NoveltyFigures | None = None
    evidence: EvidenceFigures | None = None
    remarks: tuple[str, ...] = ()
    subspace: Subspace | None = field(default=None, repr=False)
    computed_at: datetime | None = None

    def reference(self, modality: str | None) -> str | None:
        """What distances of a slice of this modality are compared with, None: with nothing.

        Within its modality where that has patients enough: CT and MR lie so far apart that among
        all pairs any slice of the same modality would seem near.
        """
        if modality in self.distances:
            return modality
        return ALL if ALL in self.distances else None

    def percentile(self, modality: str | None, distance: float) -> float | None:
        """The percentile of a distance among those between unrelated patients, 0 to 100."""
        reference = self.reference(modality)
        return None if reference is None else self.distances[reference].percentile(distance)


def to_document(calibration: Calibration) -> dict[str, Any]:
    """The figures as JSON types, without the subspace and the time."""
    found = asdict(calibration)
    del found["subspace"], found["computed_at"]
    return found


def from_document(
    document: Mapping[str, Any], subspace: Subspace | None, computed_at: datetime
) -> Calibration:
    """The figures in a document that `to_document` wrote."""
    novelty, evidence = document["novelty"], document["evidence"]
    return Calibration(
        patients=document["patients"],
        slices=document["slices"],
        labels=dict(document["labels"]),
        distances={
            name: Quantiles(q["patients"], tuple(q["shares"]), tuple(q["distances"]))
            for name, q in document["distances"].items()
        },
        novelty=None if novelty is None else NoveltyFigures(**novelty),
        evidence=None if evidence is None else evidence_of_document(evidence),
        remarks=tuple(document["remarks"]),
        subspace=subspace,
        computed_at=computed_at,
    )


def evidence_of_document(document: Mapping[str, Any]) -> EvidenceFigures:
    """The figures of evidence in a parsed document."""
    return EvidenceFigures(**{**document, "weighing": Weighing(**document["weighing"])})
