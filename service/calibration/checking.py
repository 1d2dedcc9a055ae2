"""Figures of evidence on listed slices: of patients the encoder has not seen, in a gallery.

What the gallery's own patients would make one believe is measured beside what strangers show.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.calibration.ballots import collect
from service.calibration.brought import Brought
from service.calibration.calibrate import figures_of
from service.calibration.listed import Slices, ask, patients_by_label
from service.calibration.novelty import (
    FEWEST_PATIENTS,
    conformal_threshold,
    cross_threshold,
    fit_subspace,
)
from service.calibration.temperature import Fit, cross_fit, halves, measure
from service.errors import InvalidParameter
from service.evidence.weighing import Numbers

_SPLITS = 20


@dataclass(frozen=True)
class AlarmFigures:
    """A threshold, how many of the queries exceed it, and how many of what is unlike all heads.

    `false_alarms` is over the queries' patients, each weighing the same; `caught` is None where
    nothing unlike was given.
    """

    threshold: float
    false_alarms: float
    caught: float | None


@dataclass(frozen=True)
class EvidenceCheck:
    """`own_…` was fitted to the gallery's patients, whom the encoder may know; the others not.

    `shares` and `alarms` were fitted to one half of the queries' patients and measured on the
    other, both ways; `shares.weighing` is fitted to all of them.
    """

    shares: Fit
    own_shares: Fit
    alarms: AlarmFigures
    own_alarms: AlarmFigures | None
    asked_for: float

    def brought(self, protocol: str) -> Brought:
        """What the encoder may bring along to galleries."""
        figures = figures_of(self.shares, "encoder", protocol)
        return Brought(figures, self.alarms.threshold, self.asked_for)


def check_evidence(
    queries: Slices,
    gallery: Slices,
    unlike: NDArray[np.float32] | None,
    *,
    false_alarms: float = 0.05,
) -> EvidenceCheck:
    """All figures; `unlike` are coordinates (N, D) of images that are unlike every head.

    Raises:
        InvalidParameter: the queries or the gallery have too few patients.
    """
    _refuse_few(queries, gallery)
    patients = patients_by_label(gallery)
    ballots = collect(ask(queries, gallery), patients)
    own = cross_fit(collect(ask(gallery, gallery), patients))
    subspace = fit_subspace(gallery.coordinates)
    scores = subspace.off(queries.coordinates)
    others = None if unlike is None else subspace.off(unlike)
    owners, first = _owners(gallery)
    threshold = cross_threshold(gallery.coordinates, owners, first, false_alarms)
    numbers, _ = _owners(queries)
    own_alarms = None if threshold is None else _alarms(threshold, scores, numbers, others)
    return EvidenceCheck(
        shares=cross_fit(ballots),
        own_shares=measure(ballots, own.weighing),
        alarms=_cross_alarms(scores, numbers, others, false_alarms),
        own_alarms=own_alarms,
        asked_for=false_alarms,
    )


def _refuse_few(queries: Slices, gallery: Slices) -> None:
    for side, slices in (("queries", queries), ("gallery", gallery)):
        if (count := len(set(slices.patients))) < FEWEST_PATIENTS:
            raise InvalidParameter(
                f"The {side} have {count} patients; such figures need {FEWEST_PATIENTS}."
            )


def _owners(slices: Slices) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The patients as numbers, and one slice of each, drawn at random."""
    _, numbers = np.unique(slices.patients, return_inverse=True)
    return numbers, _one_of_each(numbers, np.random.default_rng(0))


def _one_of_each(numbers: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.bool_]:
    order = random.permutation(len(numbers))
    _, places = np.unique(numbers[order], return_index=True)
    chosen = np.zeros(len(numbers), np.bool_)
    chosen[order[places]] = True
    return chosen


def _alarms(
    threshold: float, scores: Numbers, numbers: NDArray[np.int64], others: Numbers | None
) -> AlarmFigures:
    weights = 1.0 / np.bincount(numbers)[numbers]
    false = float(np.average(scores > threshold, weights=weights))
    caught = None if others is None else float(np.mean(others > threshold))
    return AlarmFigures(threshold, false, caught)


def _cross_alarms(
    scores: Numbers, numbers: NDArray[np.int64], others: Numbers | None, asked_for: float
) -> AlarmFigures:
    """The threshold of all patients; its alarms by halves, the threshold of one on the other."""
    found: list[AlarmFigures] = []
    thresholds: list[float] = []
    for seed in range(_SPLITS):
        random = np.random.default_rng(seed)
        one_each = _one_of_each(numbers, random)
        thresholds.append(conformal_threshold(scores[one_each], asked_for))
        in_first = halves(numbers, random)
        for chosen in (in_first, ~in_first):
            threshold = conformal_threshold(scores[one_each & chosen], asked_for)
            _, rest = np.unique(numbers[~chosen], return_inverse=True)
            found.append(_alarms(threshold, scores[~chosen], rest, others))
    return AlarmFigures(
        _mean(thresholds),
        _mean([alarms.false_alarms for alarms in found]),
        None if others is None else _mean([alarms.caught or 0.0 for alarms in found]),
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values))
