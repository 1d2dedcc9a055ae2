"""What the neighbours of a slice say, with all that is needed to judge it; never a bare label.

A share is no probability of a disease: it is the part of the votes of similar slices, weighed as
was found to be honest, in this gallery, on slices whose label is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from service.calibration.figures import Calibration, EvidenceFigures, NoveltyFigures
from service.calibration.store import load
from service.db.tables import embedding
from service.encoders.registry import ActiveEncoder
from service.evidence.provenance import CountedLabel
from service.evidence.scale import Scale
from service.evidence.votes import PATIENTS, Candidate, candidates_of, voters_of
from service.evidence.weighing import balance_of, weigh
from service.search.filters import Filters
from service.search.found import Found, Neighbour
from service.search.nearest import nearest
from service.search.ranking import deleted_meanwhile
from service.search.target import Target


@dataclass(frozen=True)
class Voter:
    """A patient's nearest slice; `weight` is None where shares are not given.

    `percentile` says how many of 100 pairs of unrelated patients are no farther apart.
    """

    neighbour: Neighbour
    percentile: float | None
    weight: float | None
    labels: tuple[CountedLabel, ...]


@dataclass(frozen=True)
class Share:
    """A label's part of the votes, by how many patients; `in_gallery` have it altogether."""

    label: str
    share: float
    patients: int
    in_gallery: int


@dataclass(frozen=True)
class Similarity:
    """Whether anything similar is there: `off` is how far the slice lies off the gallery's own.

    `nothing_similar` is None where the gallery is too small to tell.
    """

    nothing_similar: bool | None
    off: float | None
    figures: NoveltyFigures | None


@dataclass(frozen=True)
class Evidence:
    """The votes of `patients` other patients, `labelled` of whom have a label that counts.

    The weights of voters, and so the shares of labels where each has one, sum to 1 with `withheld`;
    both are empty and None where `remarks` say why. `scale` gives the percentiles, those of other
    neighbours of the same slice, too.
    """

    encoder: str
    patients: int
    labelled: int
    shares: tuple[Share, ...]
    withheld: float | None
    voters: tuple[Voter, ...]
    similarity: Similarity
    scale: Scale
    figures: EvidenceFigures | None
    calibrated_at: datetime | None
    remarks: tuple[str, ...]

    @property
    def unlabelled_share(self) -> float | None:
        """Which part of the patients asked has no label that counts; None if none was asked."""
        return None if self.patients == 0 else 1.0 - self.labelled / self.patients


def evidence_of(
    connection: Connection,
    encoder: ActiveEncoder,
    target: Target,
    *,
    modality: str | None = None,
    found: Found | None = None,
) -> Evidence:
    """The evidence about `target`, from its 50 nearest patients, one vote each.

    `modality` is the target's if it is no slice of the gallery, None where it is unknown. `found`
    are neighbours found before; they must be unfiltered and reach 50 patients, or the calibration
    does not hold for them.

    Raises:
        InstanceUnknown: the slice asked about was deleted meanwhile.
    """
    calibration = load(connection, encoder)
    if found is None:
        found = nearest(connection, encoder, target, Filters(), k=PATIENTS, collapse="patient")
    coordinates, modality = _place(connection, encoder, target, modality)
    scale = Scale(calibration, modality)
    candidates = candidates_of(connection, found.neighbours)
    similarity = _similarity(calibration, coordinates)
    remarks = _remarks(calibration, candidates, similarity)
    weights, withheld = (None, None) if remarks else _weigh(calibration, candidates)
    return Evidence(
        encoder=encoder.name,
        patients=len(candidates),
        labelled=sum(bool(candidate.labels) for candidate in candidates),
        shares=() if weights is None else _shares(calibration, candidates, weights),
        withheld=withheld,
        voters=_voters(scale, candidates, weights),
        similarity=similarity,
        scale=scale,
        figures=None if calibration is None else calibration.evidence,
        calibrated_at=None if calibration is None else calibration.computed_at,
        remarks=remarks,
    )


def _place(
    connection: Connection, encoder: ActiveEncoder, target: Target, modality: str | None
) -> tuple[NDArray[np.float32], str | None]:
    """The target's coordinates and modality; one vector is read, of the gallery's slices."""
    if target.slice is None:
        assert target.coordinates is not None
        return target.coordinates, modality
    row = connection.execute(
        select(embedding.c.coordinates, embedding.c.modality).where(
            embedding.c.encoder_id == encoder.encoder_id,
            embedding.c.instance_id == target.slice.instance_id,
            embedding.c.frame == target.slice.frame,
        )
    ).one_or_none()
    if row is None:
        raise deleted_meanwhile()
    return np.asarray(row.coordinates, np.float32), row.modality


def _similarity(calibration: Calibration | None, coordinates: NDArray[np.float32]) -> Similarity:
    if calibration is None or calibration.subspace is None or calibration.novelty is None:
        return Similarity(None, None, None)
    off = float(calibration.subspace.off(coordinates[None])[0])
    return Similarity(off > calibration.novelty.threshold, off, calibration.novelty)


def _remarks(
    calibration: Calibration | None, candidates: Sequence[Candidate], similarity: Similarity
) -> tuple[str, ...]:
    """Why no shares are given, in words; empty where they are."""
    if calibration is None:
        return ("This gallery is not calibrated yet: `precuneus index calibrate` does it.",)
    if similarity.nothing_similar:
        return (
            "Nothing similar is in this gallery; what is nearest says nothing about the slice.",
        )
    if calibration.evidence is None:
        return calibration.remarks or ("This gallery has no figures for shares.",)
    if not any(candidate.labels for candidate in candidates):
        return ("None of the nearest patients has a label that counts.",)
    return ()


def _weigh(
    calibration: Calibration | None, candidates: Sequence[Candidate]
) -> tuple[dict[int, float] | None, float | None]:
    """Weights by the voters' place among the candidates, and what is withheld."""
    if calibration is None or calibration.evidence is None:
        return None, None
    voters = voters_of(candidates)
    weights, withheld = weigh(
        np.array([voter.neighbour.distance for voter in voters]),
        np.array([balance_of(voter.names, calibration.labels) for voter in voters]),
        calibration.evidence.weighing,
    )
    places = [place for place, candidate in enumerate(candidates) if candidate.labels]
    return dict(zip(places, weights.tolist(), strict=False)), float(withheld)


def _shares(
    calibration: Calibration | None, candidates: Sequence[Candidate], weights: dict[int, float]
) -> tuple[Share, ...]:
    known = {} if calibration is None else calibration.labels
    shares: dict[str, list[float]] = {}
    for place, weight in weights.items():
        for name in candidates[place].names:
            shares.setdefault(name, []).append(weight)
    found = [Share(n, sum(w), len(w), max(known.get(n, 0), len(w))) for n, w in shares.items()]
    return tuple(sorted(found, key=lambda share: (-share.share, share.label)))


def _voters(
    scale: Scale, candidates: Sequence[Candidate], weights: dict[int, float] | None
) -> tuple[Voter, ...]:
    return tuple(
        Voter(
            candidate.neighbour,
            scale.percentile(candidate.neighbour.distance),
            None if weights is None else weights.get(place, 0.0),
            candidate.labels,
        )
        for place, candidate in enumerate(candidates)
    )
